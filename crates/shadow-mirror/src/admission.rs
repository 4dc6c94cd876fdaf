//! Limits of inputs: which requests a mirror gets at all.

use std::net::IpAddr;

use shadow_core::time::Timestamp;

use super::ledger::Outcome;
use super::limiter::Limiter;
use super::scope::AddressScope;
use super::share::Draws;

/// An input at addresses, where some input of its run has a limit.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The addresses that it captures, and for whom.
    pub scope: AddressScope,
    /// Its limit; without one, all of it is taken.
    pub limiter: Option<Limiter>,
}

/// Decides about a request to this server for the mirror in a slot. Each limit is asked once for a request: `asked` has
/// what was answered before. A request that two inputs capture is taken where one of them takes it whole.
pub(super) fn admitted(
    admissions: &[Admission],
    slot: usize,
    server: (IpAddr, u16),
    asked: &mut Vec<(usize, Option<Outcome>)>,
    draws: &mut Draws,
    now: Timestamp,
) -> Option<Outcome> {
    let mut first = None;
    for (index, admission) in admissions.iter().enumerate() {
        let scope = &admission.scope;
        if !scope.slots.contains(&slot) || !scope.has(server.0, server.1) {
            continue;
        }
        match &admission.limiter {
            None => return None,
            Some(limiter) => first = first.or(Some((index, limiter))),
        }
    }
    let (index, limiter) = first?;
    if let Some((_, outcome)) = asked.iter().find(|(before, _)| *before == index) {
        return *outcome;
    }
    let outcome = limiter.next(draws, now).err();
    asked.push((index, outcome));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limit;

    fn admission(port: u16, slots: &[usize], limit: Option<Limit>) -> Admission {
        Admission {
            scope: AddressScope {
                addresses: Vec::new(),
                ports: vec![port],
                slots: slots.to_vec(),
            },
            limiter: limit.map(Limiter::new),
        }
    }

    fn outcomes(admissions: &[Admission], port: u16, slots: &[usize]) -> Vec<Option<Outcome>> {
        let mut asked = Vec::new();
        let mut draws = Draws::seeded(1);
        let server = ("10.0.0.1".parse().unwrap(), port);
        slots
            .iter()
            .map(|slot| {
                admitted(
                    admissions,
                    *slot,
                    server,
                    &mut asked,
                    &mut draws,
                    Timestamp(1 << 40),
                )
            })
            .collect()
    }

    #[test]
    fn an_input_without_a_limit_takes_all_whatever_another_does() {
        let none = Some(Limit::PerSecond(0));
        let both = [
            admission(80, &[0], none),
            admission(80, &[0], None),
            admission(81, &[0], none),
        ];
        assert_eq!(outcomes(&both, 80, &[0]), [None]);
        assert_eq!(outcomes(&both, 81, &[0]), [Some(Outcome::Limited)]);
        assert_eq!(outcomes(&both, 82, &[0]), [None], "captured for another reason");
    }

    #[test]
    fn a_request_is_asked_for_once_and_its_outputs_share_the_answer() {
        let one = [admission(80, &[0, 1], Some(Limit::PerSecond(1)))];
        assert_eq!(outcomes(&one, 80, &[0, 1]), [None, None]);
        assert_eq!(
            outcomes(&one, 80, &[0, 1]),
            [Some(Outcome::Limited), Some(Outcome::Limited)]
        );
    }
}
