//! Label and field selectors, as `kubectl -l` and `--field-selector` take them.
//!
//! They are parsed once and asked here, not by the API server: one watch on the pods of this node serves every input.
//! (Kubernetes, `staging/src/k8s.io/apimachinery/pkg/labels/selector.go` and `pkg/fields/selector.go`.)

use std::collections::BTreeMap;

#[cfg(feature = "cluster")]
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector as ApiSelector;

/// Requirements of one selector at most; a longer one is a mistake.
const MAX_REQUIREMENTS: usize = 64;

/// Requirements on labels, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    /// Also where there is no such label.
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    ///
    /// Where the text is no selector, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let requirements = split_outside_brackets(text)
            .into_iter()
            .map(|part| requirement(part.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        if requirements.len() > MAX_REQUIREMENTS {
            return Err(format!("it has more than {MAX_REQUIREMENTS} requirements"));
        }
        Ok(Self(requirements))
    }

    /// The selector of a workload, as the API has it. `None` for an operator that does not exist: what cannot be
    /// understood selects nothing.
    #[cfg(feature = "cluster")]
    pub fn of(selector: &ApiSelector) -> Option<Self> {
        let labels = selector.match_labels.iter().flatten();
        let mut requirements: Vec<_> = labels
            .map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In(vec![value.clone()]),
            })
            .collect();
        for expression in selector.match_expressions.iter().flatten() {
            let values = expression.values.clone().unwrap_or_default();
            let operator = match expression.operator.as_str() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return None,
            };
            requirements.push(Requirement {
                key: expression.key.clone(),
                operator,
            });
        }
        Some(Self(requirements))
    }

    /// A selector that no labels meet.
    pub fn nothing() -> Self {
        Self(vec![Requirement {
            key: String::new(),
            operator: Operator::In(Vec::new()),
        }])
    }

    /// A selector of exact labels (a Service's).
    pub fn exactly(labels: &BTreeMap<String, String>) -> Self {
        let requirement = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::In(vec![value.clone()]),
        };
        Self(labels.iter().map(requirement).collect())
    }

    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// Parts between commas, not those inside `(...)`.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let made = |key: &str, operator| {
        let key = key.trim();
        if is_label_name(key) {
            Ok(Requirement {
                key: key.to_owned(),
                operator,
            })
        } else {
            Err(format!("'{key}' is not a label's name"))
        }
    };
    if text.is_empty() {
        return Err("a requirement is empty".to_owned());
    }
    if let Some(set) = text.strip_suffix(')') {
        let (head, values) = set
            .split_once('(')
            .ok_or_else(|| format!("'{text}' has no opening bracket"))?;
        let values = values
            .split(',')
            .map(|value| checked_value(value.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        return match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => made(key, Operator::In(values)),
            [key, "notin"] => made(key, Operator::NotIn(values)),
            _ => Err(format!(
                "'{text}' is neither 'KEY in (...)' nor 'KEY notin (...)'"
            )),
        };
    }
    if let Some((key, value)) = text.split_once("!=") {
        return made(key, Operator::NotIn(vec![checked_value(value.trim())?]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return made(key, Operator::In(vec![checked_value(value.trim())?]));
    }
    match text.strip_prefix('!') {
        Some(key) => made(key, Operator::DoesNotExist),
        None => made(text, Operator::Exists),
    }
}

/// Whether this can be the name of a label, `[prefix/]name`: a DNS subdomain, and at most 63 of `[A-Za-z0-9_.-]`.
pub fn is_label_name(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let word = |text: &str, most: usize, also: &[u8]| {
        !text.is_empty()
            && text.len() <= most
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
    };
    word(name, 63, b"-_.") && prefix.is_none_or(|prefix| word(prefix, 253, b"-."))
}

fn checked_value(value: &str) -> Result<String, String> {
    let valid = value.len() <= 63
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if valid {
        Ok(value.to_owned())
    } else {
        Err(format!("'{value}' is not a label's value"))
    }
}

/// Fields of a pod that can be selected by (`pkg/apis/core/v1/conversion.go`, the pods' part, as far as it is told apart
/// on one node).
const FIELDS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
];

/// Requirements on fields of a pod, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Parses `metadata.name=web-0,status.phase!=Failed`.
    ///
    /// # Errors
    ///
    /// Where the text is no selector, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(|part| {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(format!("'{part}' is not FIELD=VALUE"));
            };
            let field = field.trim();
            if !FIELDS.contains(&field) {
                return Err(format!(
                    "'{field}' cannot be selected by; there are {}",
                    FIELDS.join(", ")
                ));
            }
            Ok((field.to_owned(), equal, value.trim().to_owned()))
        });
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        if terms.len() > MAX_REQUIREMENTS {
            return Err(format!("it has more than {MAX_REQUIREMENTS} requirements"));
        }
        Ok(Self(terms))
    }

    /// Whether fields meet every requirement; `field` gives a field's value, empty where it has none.
    pub fn matches<'a>(&self, field: impl Fn(&str) -> &'a str) -> bool {
        self.0
            .iter()
            .all(|(name, equal, value)| (field(name) == value) == *equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn every_operator_selects_as_kubectl_does() {
        let pod = labels(&[("app", "web"), ("app.kubernetes.io/name", "shop"), ("tier", "")]);
        for (selector, expected) in [
            ("app=web", true),
            ("app==web", true),
            ("app=api", false),
            ("app!=web", false),
            ("none!=web", true),
            ("app.kubernetes.io/name=shop", true),
            ("app in (api, web)", true),
            ("app notin (api,web)", false),
            ("none notin (a)", true),
            ("app", true),
            ("none", false),
            ("!none", true),
            ("!app", false),
            ("tier=", true),
            ("app=web,tier,!none,app in (web)", true),
            ("app=web,none", false),
        ] {
            assert_eq!(
                LabelSelector::parse(selector).unwrap().matches(&pod),
                expected,
                "{selector}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "",
            "a=b,",
            "a b",
            "a in b)",
            "in (a)",
            "a=b c",
            "/x=1",
            "a=b/c",
            "a between (1,2)",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text:?}");
        }
        for text in ["metadata.name", "metadata.uid=1", ""] {
            assert!(FieldSelector::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn fields_are_compared_with_their_values() {
        let field = |name: &str| if name == "metadata.name" { "web-0" } else { "" };
        let matches = |text: &str| FieldSelector::parse(text).unwrap().matches(field);
        assert!(matches("metadata.name=web-0"));
        assert!(matches("metadata.name==web-0,status.phase!=Failed"));
        assert!(!matches("metadata.name!=web-0"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "[a-z!=,() /.]{0,40}") {
            let _ = LabelSelector::parse(&text);
            let _ = FieldSelector::parse(&text);
        }
    }
}
