//! What a join makes of two records that belong together, and of one that stays alone.

/// Makes the results of a join: inner, or outer on one side or both.
pub(super) trait Pairing<K, L, R>: Clone + Send + 'static {
    /// What it makes.
    type Out: Send + 'static;
    /// Whether left records without a partner make a result.
    const LEFT: bool;
    /// Whether right records without a partner make a result.
    const RIGHT: bool;

    /// The result of two records; `None` for the missing one.
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<Self::Out>;
}

/// Pairs alone.
#[derive(Clone)]
pub(super) struct Inner<F>(pub(super) F);

impl<K, L, R, U, F> Pairing<K, L, R> for Inner<F>
where
    U: Send + 'static,
    F: Fn(&K, &L, &R) -> U + Clone + Send + 'static,
{
    type Out = U;
    const LEFT: bool = false;
    const RIGHT: bool = false;

    #[inline]
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<U> {
        Some((self.0)(key, left?, right?))
    }
}

/// Every left record.
#[derive(Clone)]
pub(super) struct LeftOuter<F>(pub(super) F);

impl<K, L, R, U, F> Pairing<K, L, R> for LeftOuter<F>
where
    U: Send + 'static,
    F: Fn(&K, &L, Option<&R>) -> U + Clone + Send + 'static,
{
    type Out = U;
    const LEFT: bool = true;
    const RIGHT: bool = false;

    #[inline]
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<U> {
        Some((self.0)(key, left?, right))
    }
}

/// Every right record.
#[derive(Clone)]
pub(super) struct RightOuter<F>(pub(super) F);

impl<K, L, R, U, F> Pairing<K, L, R> for RightOuter<F>
where
    U: Send + 'static,
    F: Fn(&K, Option<&L>, &R) -> U + Clone + Send + 'static,
{
    type Out = U;
    const LEFT: bool = false;
    const RIGHT: bool = true;

    #[inline]
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<U> {
        Some((self.0)(key, left, right?))
    }
}

/// Every record of both sides.
#[derive(Clone)]
pub(super) struct FullOuter<F>(pub(super) F);

impl<K, L, R, U, F> Pairing<K, L, R> for FullOuter<F>
where
    U: Send + 'static,
    F: Fn(&K, Option<&L>, Option<&R>) -> U + Clone + Send + 'static,
{
    type Out = U;
    const LEFT: bool = true;
    const RIGHT: bool = true;

    #[inline]
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<U> {
        Some((self.0)(key, left, right))
    }
}

/// What it is given, if anything: of a pair, or of a record of either side that has no partner.
#[derive(Clone)]
pub(super) struct Chosen<F>(pub(super) F);

impl<K, L, R, U, F> Pairing<K, L, R> for Chosen<F>
where
    U: Send + 'static,
    F: Fn(&K, Option<&L>, Option<&R>) -> Option<U> + Clone + Send + 'static,
{
    type Out = U;
    const LEFT: bool = true;
    const RIGHT: bool = true;

    #[inline]
    fn pair(&self, key: &K, left: Option<&L>, right: Option<&R>) -> Option<U> {
        (self.0)(key, left, right)
    }
}
