//! `--split-output`: of the outputs of a mirror, each request goes to one.

use std::hash::{DefaultHasher, Hash, Hasher};

use shadow_tcp::FlowKey;

/// How requests are divided among the outputs of a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Each in its turn.
    Request,
    /// All of a connection to one.
    Connection,
}

/// Outputs among which requests are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Their slots, ascending; at least two.
    pub slots: Vec<usize>,
    /// How it is decided which of them gets a request.
    pub by: SplitBy,
}

/// Splits in force on one shard.
#[derive(Debug, Default)]
pub(super) struct Splits {
    splits: Vec<Split>,
    /// Of each split, how many requests were divided.
    turns: Vec<usize>,
}

impl Splits {
    pub fn set(&mut self, splits: &[Split]) {
        self.splits = splits.to_vec();
        self.turns.resize(splits.len(), 0);
    }

    pub fn is_empty(&self) -> bool {
        self.splits.is_empty()
    }

    /// Of the mirrors in these slots, those that get the next request on this connection.
    pub fn choose(&mut self, slots: &[usize], flow: &FlowKey) -> Vec<usize> {
        let mut chosen = slots.to_vec();
        for (split, turn) in self.splits.iter().zip(&mut self.turns) {
            // All of a mirror's outputs have to do with a request, or none.
            if !split.slots.iter().all(|slot| slots.contains(slot)) {
                continue;
            }
            let index = match split.by {
                SplitBy::Request => {
                    *turn = turn.wrapping_add(1);
                    turn.wrapping_sub(1)
                }
                SplitBy::Connection => {
                    let mut hasher = DefaultHasher::new();
                    (flow.client, flow.server).hash(&mut hasher);
                    hasher.finish() as usize
                }
            };
            let takes = split.slots[index % split.slots.len()];
            chosen.retain(|slot| *slot == takes || !split.slots.contains(slot));
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16) -> FlowKey {
        let endpoint = |text: String| text.parse::<std::net::SocketAddr>().unwrap().into();
        FlowKey {
            client: endpoint(format!("10.1.2.3:{port}")),
            server: endpoint("10.0.0.1:80".to_owned()),
            scope: 0,
        }
    }

    fn splits(by: SplitBy) -> Splits {
        let mut splits = Splits::default();
        splits.set(&[Split {
            slots: vec![1, 3],
            by,
        }]);
        splits
    }

    #[test]
    fn outputs_take_turns_and_others_get_everything() {
        let mut splits = splits(SplitBy::Request);
        assert_eq!(splits.choose(&[1, 2, 3], &flow(1)), [1, 2]);
        assert_eq!(splits.choose(&[1, 2, 3], &flow(1)), [2, 3]);
        assert_eq!(splits.choose(&[1, 2, 3], &flow(1)), [1, 2]);
        assert_eq!(splits.choose(&[2], &flow(1)), [2], "another mirror's business");
    }

    #[test]
    fn a_connection_stays_with_its_output_and_connections_are_spread() {
        let mut splits = splits(SplitBy::Connection);
        let mut of = |port| splits.choose(&[1, 3], &flow(port));
        let first: usize = (0..1000)
            .filter(|port| {
                let chosen = of(*port);
                assert_eq!(chosen.len(), 1);
                assert_eq!(of(*port), chosen);
                chosen == [1]
            })
            .count();
        assert!((400..600).contains(&first), "{first}");
    }
}
