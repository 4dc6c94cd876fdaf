//! The life of a run: inputs attached, shards running, signals answered, everything drained and accounted.
