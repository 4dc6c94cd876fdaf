//! Flags of GoReplay that are refused, each with its reason and the way out.

use super::Takes::{self, Nothing, Value};

/// A flag that ends the program.
#[derive(Debug)]
pub struct Refused {
    /// Its name, without dashes.
    pub flag: &'static str,
    /// Whether a value follows.
    pub takes: Takes,
    /// Why it is not taken.
    pub why: &'static str,
    /// The way out.
    pub way_out: &'static str,
}

const fn refused(flag: &'static str, takes: Takes, why: &'static str, way_out: &'static str) -> Refused {
    Refused {
        flag,
        takes,
        why,
        way_out,
    }
}

/// Kafka, to it.
const fn to_kafka(flag: &'static str, takes: Takes) -> Refused {
    refused(
        flag,
        takes,
        "there is no Kafka client in the agent: a broker that is slow or away must not be able to hold it up",
        "write JSON lines with --output-file x.jsonl, and let a shipper such as Vector or Fluent Bit produce them to Kafka",
    )
}

/// Kafka, from it.
const fn from_kafka(flag: &'static str, takes: Takes) -> Refused {
    refused(
        flag,
        takes,
        "there is no Kafka client in the agent: partitions and offsets are a consumer's business",
        "let a consumer write the records and their separators to a file x.gor, and replay that with --input-file",
    )
}

/// Kafka, in both directions.
const fn kafka_tls(flag: &'static str) -> Refused {
    refused(
        flag,
        Value,
        "there is no Kafka client in the agent: a broker that is slow or away must not be able to hold it up",
        "keep keys and certificates with the shipper that produces to Kafka",
    )
}

/// Protocols other than HTTP.
const fn binary(flag: &'static str, takes: Takes) -> Refused {
    refused(
        flag,
        takes,
        "only HTTP is mirrored: a stream without messages has nothing that could be sent again, or accounted for",
        "mirror HTTP with --output-http; for other protocols replay packets instead, for example with tcpreplay",
    )
}

/// All of them, one line each.
#[rustfmt::skip]
pub const REFUSED: &[Refused] = &[
    from_kafka("input-kafka-host", Value),
    from_kafka("input-kafka-json-format", Nothing),
    from_kafka("input-kafka-mechanism", Value),
    from_kafka("input-kafka-offset", Value),
    from_kafka("input-kafka-password", Value),
    from_kafka("input-kafka-topic", Value),
    from_kafka("input-kafka-use-sasl", Nothing),
    from_kafka("input-kafka-username", Value),
    kafka_tls("kafka-tls-ca-cert"),
    kafka_tls("kafka-tls-client-cert"),
    kafka_tls("kafka-tls-client-key"),
    to_kafka("output-kafka-host", Value),
    to_kafka("output-kafka-json-format", Nothing),
    to_kafka("output-kafka-mechanism", Value),
    to_kafka("output-kafka-password", Value),
    to_kafka("output-kafka-topic", Value),
    to_kafka("output-kafka-use-sasl", Nothing),
    to_kafka("output-kafka-username", Value),
    binary("output-binary", Value),
    binary("output-binary-debug", Nothing),
    binary("output-binary-timeout", Value),
    binary("output-binary-track-response", Nothing),
    binary("output-binary-workers", Value),
    binary("output-tcp-response-buffer", Value),
    refused("output-file-buffer", Value, "it belongs to recordings in S3 (s3://), and there is no S3 client in the agent", "record to a directory with --output-file, and copy finished files with aws s3 cp"),
    refused("output-http-elasticsearch", Value, "the agent does not index: it holds no credentials of a database, and waits for none", "write JSON lines with --output-file x.jsonl, and let Filebeat, Vector or Fluent Bit ship them"),
];
