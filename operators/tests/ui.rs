//! What must not compile, and what the compiler says then.

#[test]
fn mistakes_are_told_in_the_words_of_the_language() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
