//! `k8s://[NAMESPACE/]KIND/NAME:PORT[,PORT]`: which pods, as typed.
//!
//! GoReplay's form, with more kinds, in any number and case, and with slashes in selectors:
//!
//! | typed | pods |
//! |---|---|
//! | `k8s://shop/deployment/web:80` | those of a deployment; so for every kind |
//! | `k8s://deployments/web:http` | in every namespace; the container's port named `http` |
//! | `k8s://shop/service/web:80` | those behind a service; 80 is the service's port |
//! | `k8s://shop/labelSelector/app.kubernetes.io/name=web:80` | those with these labels |
//! | `k8s://fieldSelector/metadata.name=web-0:80` | those with these fields |

use super::error::Problem;
use crate::kubernetes::selector::{FieldSelector, LabelSelector};
use crate::settings::{PodPort, PodSelector, Pods, WorkloadKind};

/// Prefix of addresses of pods.
pub const SCHEME: &str = "k8s://";

/// The longest name of an object (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// The longest name of a port (RFC 6335 service name).
const MAX_PORT_NAME: usize = 15;

/// Ports of one input at most.
const MAX_PORTS: usize = 64;

const EXAMPLE: &str = "write k8s://NAMESPACE/deployment/NAME:80; other kinds are pod, statefulset, daemonset, \
                       replicaset, job, cronjob and service, and labelSelector/app=web or fieldSelector/... stand for \
                       KIND/NAME";

/// Parses the whole text, which begins with [`SCHEME`].
///
/// # Errors
///
/// For a namespace, a kind, a name, a selector or ports that the syntax does not have.
pub fn parse(text: &str) -> Result<PodSelector, Problem> {
    let rest = text.strip_prefix(SCHEME).unwrap_or(text);
    let (place, ports) = split_ports(rest, text)?;
    let ports = parse_ports(ports)?;
    let (namespace, pods) = parse_place(place)?;
    if let Some(namespace) = &namespace
        && (namespace.contains('.') || !is_name(namespace, 63))
    {
        return Err(Problem::new(format!("'{namespace}' is not a namespace"), EXAMPLE));
    }
    Ok(PodSelector {
        typed: text.to_owned(),
        namespace,
        pods,
        ports,
    })
}

/// The ports stand behind the last colon: no selector has one.
fn split_ports<'a>(rest: &'a str, text: &str) -> Result<(&'a str, &'a str), Problem> {
    rest.rsplit_once(':')
        .ok_or_else(|| Problem::new("the port is missing", format!("write {text}:80")))
}

fn parse_ports(text: &str) -> Result<Vec<PodPort>, Problem> {
    let mut ports = Vec::new();
    for part in text.split(',') {
        let port = parse_port(part)?;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    if ports.len() > MAX_PORTS {
        return Err(Problem::new(
            format!("it has more than {MAX_PORTS} ports"),
            "spread them over several --input-raw",
        ));
    }
    Ok(ports)
}

fn parse_port(text: &str) -> Result<PodPort, Problem> {
    let problem = || {
        Problem::new(
            format!("'{text}' is not a port"),
            "write a number from 1 to 65535, or the name that the container or the service gives it, such as http",
        )
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(0) | Err(_) => Err(problem()),
            Ok(port) => Ok(PodPort::Number(port)),
        };
    }
    let valid = text.len() <= MAX_PORT_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.bytes().any(|byte| byte.is_ascii_lowercase());
    if valid {
        Ok(PodPort::Name(text.to_owned()))
    } else {
        Err(problem())
    }
}

/// The word that says how pods are named.
enum Word {
    Kind(WorkloadKind),
    Labels,
    Fields,
}

fn word(text: &str) -> Option<Word> {
    if text.eq_ignore_ascii_case("labelSelector") {
        Some(Word::Labels)
    } else if text.eq_ignore_ascii_case("fieldSelector") {
        Some(Word::Fields)
    } else {
        WorkloadKind::by_name(text).map(Word::Kind)
    }
}

/// `[NAMESPACE/]WORD/REST`. A first part that could be both is the namespace when a kind and a name follow.
fn parse_place(place: &str) -> Result<(Option<String>, Pods), Problem> {
    let problem = |what: String| Problem::new(what, EXAMPLE);
    let (first, rest) = place
        .split_once('/')
        .ok_or_else(|| problem(format!("'{place}' names no pods")))?;
    if let Some((second, name)) = rest.split_once('/') {
        match (word(first), word(second)) {
            (Some(Word::Labels | Word::Fields), _) | (Some(_), None) => {}
            (_, Some(word)) => return Ok((Some(first.to_owned()), pods(&word, name)?)),
            (None, None) => {
                return Err(problem(format!(
                    "'{second}' is not a kind of object that has pods"
                )));
            }
        }
    }
    match word(first) {
        Some(word) => Ok((None, pods(&word, rest)?)),
        None => Err(problem(format!(
            "'{first}' is not a kind of object that has pods"
        ))),
    }
}

fn pods(word: &Word, text: &str) -> Result<Pods, Problem> {
    match word {
        Word::Kind(kind) if is_name(text, MAX_NAME) => Ok(Pods::Named {
            kind: *kind,
            name: text.to_owned(),
        }),
        Word::Kind(kind) => Err(Problem::new(
            format!("'{text}' is not the name of a {}", kind.word()),
            EXAMPLE,
        )),
        Word::Labels => match LabelSelector::parse(text) {
            Ok(_) => Ok(Pods::Labels(text.to_owned())),
            Err(error) => Err(Problem::new(
                format!("'{text}' is not a label selector: {error}"),
                "write it as for kubectl -l, such as labelSelector/app=web,tier!=test",
            )),
        },
        Word::Fields => match FieldSelector::parse(text) {
            Ok(_) => Ok(Pods::Fields(text.to_owned())),
            Err(error) => Err(Problem::new(
                format!("'{text}' is not a field selector: {error}"),
                "write it as for kubectl --field-selector, such as fieldSelector/metadata.name=web-0",
            )),
        },
    }
}

/// RFC 1123: lower-case letters, digits, dashes and dots, letters or digits at both ends.
fn is_name(text: &str, longest: usize) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= longest
        && text
            .bytes()
            .all(|byte| inner(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(
        namespace: Option<&str>,
        kind: WorkloadKind,
        name: &str,
        ports: &[PodPort],
    ) -> (Option<String>, Pods, Vec<PodPort>) {
        let pods = Pods::Named {
            kind,
            name: name.to_owned(),
        };
        (namespace.map(str::to_owned), pods, ports.to_vec())
    }

    fn parsed(text: &str) -> (Option<String>, Pods, Vec<PodPort>) {
        let selector = parse(text).unwrap();
        assert_eq!(selector.typed, text);
        (selector.namespace, selector.pods, selector.ports)
    }

    const PORT_80: [PodPort; 1] = [PodPort::Number(80)];

    #[test]
    fn the_address_of_goreplays_users_is_a_deployment_in_a_namespace() {
        assert_eq!(
            parsed("k8s://goreplay/deployments/nginx:80"),
            named(Some("goreplay"), WorkloadKind::Deployment, "nginx", &PORT_80)
        );
    }

    #[test]
    fn without_a_namespace_the_plural_is_a_kind_and_not_a_namespace() {
        assert_eq!(
            parsed("k8s://deployments/nginx:80"),
            named(None, WorkloadKind::Deployment, "nginx", &PORT_80)
        );
    }

    #[test]
    fn every_kind_is_known_by_each_of_its_names() {
        for (kind, names) in WorkloadKind::NAMES {
            for name in names {
                assert_eq!(
                    parsed(&format!("k8s://a/{name}/b:80")),
                    named(Some("a"), kind, "b", &PORT_80)
                );
            }
        }
        assert_eq!(
            parsed("k8s://StatefulSet/db:80"),
            named(None, WorkloadKind::StatefulSet, "db", &PORT_80)
        );
    }

    #[test]
    fn a_namespace_may_be_named_like_a_kind() {
        assert_eq!(
            parsed("k8s://pod/service/web:80"),
            named(Some("pod"), WorkloadKind::Service, "web", &PORT_80)
        );
    }

    #[test]
    fn ports_are_numbers_or_names_each_once() {
        let ports = [
            PodPort::Number(80),
            PodPort::Name("http".to_owned()),
            PodPort::Number(8080),
        ];
        assert_eq!(
            parsed("k8s://ds/a:80,http,8080,80"),
            named(None, WorkloadKind::DaemonSet, "a", &ports)
        );
    }

    #[test]
    fn values_of_selectors_may_have_slashes() {
        let labels = |text: &str| Pods::Labels(text.to_owned());
        assert_eq!(
            parsed("k8s://labelSelector/app.kubernetes.io/name=web:80"),
            (None, labels("app.kubernetes.io/name=web"), PORT_80.to_vec())
        );
        assert_eq!(
            parsed("k8s://shop/labelSelector/app.kubernetes.io/name in (a,b),tier!=test:80"),
            (
                Some("shop".to_owned()),
                labels("app.kubernetes.io/name in (a,b),tier!=test"),
                PORT_80.to_vec()
            )
        );
        assert_eq!(
            parsed("k8s://shop/fieldSelector/metadata.name=web-0:80"),
            (
                Some("shop".to_owned()),
                Pods::Fields("metadata.name=web-0".to_owned()),
                PORT_80.to_vec()
            )
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        for (text, problem) in [
            ("k8s://shop/deployment/web", "the port is missing"),
            ("k8s://shop/deployment/web:0", "'0' is not a port"),
            ("k8s://shop/deployment/web:70000", "'70000' is not a port"),
            ("k8s://shop/deployment/web:Http", "'Http' is not a port"),
            ("k8s://web:80", "'web' names no pods"),
            (
                "k8s://shop/ingress/web:80",
                "'ingress' is not a kind of object that has pods",
            ),
            ("k8s://deployment/:80", "'' is not the name of a deployment"),
            ("k8s://deployment/Web:80", "'Web' is not the name of a deployment"),
            ("k8s://Shop/deployment/web:80", "'Shop' is not a namespace"),
            ("k8s://labelSelector/a in:80", "'a in' is not a label selector"),
            (
                "k8s://fieldSelector/spec.x=1:80",
                "'spec.x=1' is not a field selector",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.problem.starts_with(problem), "{text}: {}", error.problem);
            assert!(!error.help.is_empty());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "k8s://[a-zA-Z/:=,. ()!-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
