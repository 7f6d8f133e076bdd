//! librdkafka's errors in our words.

use millstream_engine::{Error, ErrorKind};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::settings::Settings;

/// Whether librdkafka keeps trying by itself, so that there is nothing to do but to wait.
pub(super) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::RebalanceInProgress
            | Code::UnknownMemberId
            | Code::IllegalGeneration
            | Code::AssignmentLost
            | Code::PollExceeded
            | Code::NoOffset
    )
}

/// Whether the broker refuses this record for what it is; others may pass.
pub(super) fn is_bad_record(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidTimestamp
            | Code::InvalidRecord
            | Code::InvalidMessage
    )
}

/// What went wrong while `doing`, without secrets.
pub(super) fn error(settings: &Settings, doing: &str, cause: &KafkaError) -> Error {
    let (kind, text) = match cause {
        // Its text holds the value, which may be a password.
        KafkaError::ClientConfig(_, _, key, _) => (
            ErrorKind::Config,
            format!("librdkafka has no setting `{key}`, or not with this value"),
        ),
        KafkaError::ClientCreation(text) => (ErrorKind::Config, text.clone()),
        KafkaError::Subscription(text) => (ErrorKind::Config, text.clone()),
        _ => match cause.rdkafka_error_code() {
            Some(code) => (kind_of(code), code.to_string()),
            None => (ErrorKind::Connection, cause.to_string()),
        },
    };
    Error::new(kind, format!("{doing}: {}", settings.scrub(&text)))
}

/// Whose turn it is after this error.
pub(super) fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::InconsistentGroupProtocol
        | Code::InvalidSessionTimeout
        | Code::FencedInstanceId
        | Code::UnknownGroup
        | Code::InvalidArgument => ErrorKind::Config,
        code if is_bad_record(code) => ErrorKind::Data,
        _ => ErrorKind::Connection,
    }
}
