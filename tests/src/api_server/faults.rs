//! Faults that a test asks for, and which requests they meet.

use std::time::Duration;

use super::request::{Request, Verb};

/// A fault of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is a refusal with this status and the `Status` object that goes with it.
    Status(u16),
    /// It comes this much later, else as it should.
    Delay(Duration),
    /// It ends in the middle of its body, and the connection with it.
    Cut,
    /// Its body is not JSON.
    Garbage,
}

/// Which requests a fault meets; all of them, unless narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    verb: Option<Verb>,
    resource: Option<String>,
}

/// The faults in force.
#[derive(Default)]
pub(super) struct Faults(Vec<Rule>);

struct Rule {
    scope: Scope,
    fault: Fault,
    /// Requests it still meets.
    left: Option<u32>,
}

impl Scope {
    /// Every request.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Only requests of this verb.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Only requests for this resource (its plural name).
    #[must_use]
    pub fn resource(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    fn meets(&self, request: &Request) -> bool {
        self.verb.is_none_or(|verb| verb == request.verb)
            && self
                .resource
                .as_ref()
                .is_none_or(|resource| *resource == request.resource)
    }
}

impl Faults {
    pub(super) fn add(&mut self, scope: Scope, fault: Fault, left: Option<u32>) {
        self.0.push(Rule { scope, fault, left });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the faults that meet a request: any delays, and at most one other fault, the one asked for first.
    pub(super) fn take(&mut self, request: &Request) -> (Duration, Option<Fault>) {
        let (mut delay, mut fault) = (Duration::ZERO, None);
        for rule in self.0.iter_mut().filter(|rule| rule.scope.meets(request)) {
            match rule.fault {
                Fault::Delay(more) => delay += more,
                _ if fault.is_some() => continue,
                other => fault = Some(other),
            }
            if let Some(left) = &mut rule.left {
                *left -= 1;
            }
        }
        self.0.retain(|rule| rule.left != Some(0));
        (delay, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Query;
    use super::*;

    #[test]
    fn faults_meet_what_they_are_for_and_wear_off() {
        let get = |path| Request::parse("GET", path, &Query::default()).expect("a request");
        let (pods, pod) = (get("/api/v1/pods"), get("/api/v1/namespaces/n/pods/p"));
        let mut faults = Faults::default();
        let second = Duration::from_secs(1);
        faults.add(Scope::everything().verb(Verb::List), Fault::Status(500), Some(1));
        faults.add(Scope::everything().resource("pods"), Fault::Cut, Some(2));
        faults.add(Scope::everything(), Fault::Delay(second), None);
        assert_eq!(faults.take(&pods), (second, Some(Fault::Status(500))));
        assert_eq!(faults.take(&pods), (second, Some(Fault::Cut)));
        assert_eq!(faults.take(&pod), (second, Some(Fault::Cut)));
        assert_eq!(faults.take(&pod), (second, None));
        faults.clear();
        assert_eq!(faults.take(&pods), (Duration::ZERO, None));
    }
}
