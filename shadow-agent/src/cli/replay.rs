//! `shadow-agent replay DIR`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::error::{Problem, UsageError};
use super::low::Arguments;
use super::low::replay::ReplayArguments;
use super::upstream::{Upstream, without_userinfo};
use super::{high, print};
use crate::compare::routes::{EndpointId, GRPC, Routes};
use crate::compare::store::{Kept, KeptPair, Store};
use crate::compare::{Answer, CompareContext, Difference, Judging, PathPattern, called, compare};
use crate::http::head_fields;
use crate::output::{exchange, upstream_host};
use crate::privileges;
use crate::replay::{GivenHeader, Prepared, ReplayDifference, curl};
use crate::report::visible;
use crate::settings::{HostHeader, HttpOutputSettings};

/// Lists pairs, sends one again, or prints how `curl` does.
///
/// # Errors
///
/// Where the store cannot be read, has no such pair or several, or the request cannot be sent.
pub fn run(arguments: &ReplayArguments) -> anyhow::Result<ExitCode> {
    if let Some(file) = arguments.judging.report.first() {
        let problem = Problem::new(
            "replay does not write reports",
            "use shadow-agent report DIR --report FILE",
        );
        return Err(problem.of("--report", file.display().to_string()).into());
    }
    let judging = high::compare::of_kept(&arguments.judging)?;
    let store = Store::open(&arguments.directory).map_err(|error| {
        let problem = Problem::new(error.to_string(), "name the directory of --compare-store");
        problem.of("", arguments.directory.display().to_string())
    })?;
    let of = comparison(arguments, &store)?;
    let (Some(id), Some(to)) = (&arguments.pair, &arguments.to) else {
        return list(arguments, &judging, &store, of);
    };
    let mut pairs = pairs(&store, of);
    let kept = pairs.find(|kept| kept.pair.id.to_string() == *id);
    let kept = kept
        .with_context(|| format!("there is no pair {id:?} in this store: --list shows those that differ"))?;
    if of.is_none() && pairs.any(|other| other.of != kept.of && other.pair.id == kept.pair.id) {
        bail!(
            "several comparisons have a pair {id:?}: name one with --shadow, {}",
            shadows(&store)
        );
    }
    let settings = settings(arguments, to)?;
    let given = arguments.header.iter().map(|text| {
        // Its value may be a credential.
        let name = text.split_once(':').map_or("", |(name, _)| name);
        GivenHeader::parse(text).map_err(|why| {
            Problem::new(
                why.to_string(),
                "write NAME: VALUE, such as 'Authorization: Bearer abc'",
            )
            .of("--header", name)
        })
    });
    let given = given.collect::<Result<Vec<_>, UsageError>>()?;
    let prepared = Prepared::new(&kept, &given, &settings)?;
    if arguments.curl {
        let line = curl(&prepared, &settings).context("curl cannot send this request")?;
        eprint!("{}", left_out(&prepared));
        return print(line.as_bytes()).map(|()| ExitCode::SUCCESS);
    }
    // All is read: what is left is to speak with a server that need not be a friend.
    privileges::hide_memory();
    privileges::give_up(&[])?;
    send(&kept, &prepared, &settings, &judging)
}

/// The place of the comparison that is asked for; `None` for any.
fn comparison(arguments: &ReplayArguments, store: &Store) -> anyhow::Result<Option<u16>> {
    let Some(name) = &arguments.shadow else {
        return Ok(None);
    };
    let mut known = store.run().comparisons.iter();
    let place = known.position(|kept| kept.facts.shadow == *name);
    let place = place.and_then(|place| u16::try_from(place).ok());
    match place {
        Some(place) => Ok(Some(place)),
        None => Err(
            Problem::new("no comparison of this run has such a shadow", shadows(store))
                .of("--shadow", name)
                .into(),
        ),
    }
}

fn shadows(store: &Store) -> String {
    let known = store.run().comparisons.iter();
    let names: Vec<_> = known
        .map(|kept| visible(&kept.facts.shadow).into_owned())
        .collect();
    format!("there are: {}", names.join(", "))
}

/// How the request goes there: as from a run with the same flags.
fn settings(arguments: &ReplayArguments, to: &str) -> anyhow::Result<HttpOutputSettings> {
    use clap::Parser;
    let upstream = Upstream::parse(to).map_err(|problem| problem.of("--to", without_userinfo(to)))?;
    let defaults = Arguments::try_parse_from(["shadow-agent", "--output-null"])?;
    let mut settings = high::output_http::resolve(upstream, &defaults, high::answers::Answers::default());
    settings.verify = !arguments.output_http_skip_verify;
    settings.timeout = arguments.output_http_timeout;
    settings.max_response = arguments.output_http_max_response as u64;
    if arguments.http_original_host {
        settings.host_header = HostHeader::Original;
    }
    Ok(settings)
}

/// Lines about everything that is not sent as production received it.
fn left_out(prepared: &Prepared) -> String {
    let mut text = String::new();
    if !prepared.left_out.is_empty() {
        let names = visible(&prepared.left_out.join(", ")).into_owned();
        let _ = writeln!(
            text,
            "Not sent, because it was redacted when stored: {names} (--header 'NAME: VALUE' sends it)"
        );
    }
    if prepared.has_hashes {
        text.push_str(
            "The target or the body is not the original: secrets were replaced by hashes when it was stored\n",
        );
    }
    if !text.is_empty() {
        text.push_str("So the response may be 401 or 403 although production's was not\n");
    }
    text
}

fn send(
    kept: &KeptPair,
    prepared: &Prepared,
    settings: &HttpOutputSettings,
    judging: &Judging,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = exchange(settings, &prepared.head, &prepared.body, prepared.kind);
    let now = runtime.block_on(asked).with_context(|| settings.name.clone());
    // A name that is still being looked up is waited for no longer.
    runtime.shutdown_background();
    let now = now?;
    let (called, _) = called(&kept.pair.request_head);
    let is_call = called == GRPC;
    let mut routes = Routes::new(judging.routes.clone(), judging.max_routes);
    let method = if is_call { called } else { &prepared.method };
    let of = routes.endpoint(method, &prepared.target);
    let (head, body) = (&kept.pair.request_head, &kept.pair.request_body);
    let selected = judging.route_by.read_again(kept.selected.as_ref(), head, body);
    let endpoint = routes.select(of, selected.as_ref(), None);
    let endpoint = routes.name(endpoint);
    let host = upstream_host(settings);
    let question = CompareContext {
        endpoint: &endpoint,
        method: &prepared.method,
        head: &kept.pair.request_head,
        host: host.as_deref(),
        mapped: None,
        first_host: None,
    };
    let told = ReplayDifference::new(&question, &kept.pair.production, &now, &judging.rules);
    let request = [&prepared.method[..], b" ", &prepared.target].concat();
    let mut text = format!("{}\n", visible(&String::from_utf8_lossy(&request)));
    text.push_str(&left_out(prepared));
    for (who, answer) in [
        ("production", &kept.pair.production),
        ("shadow, then", &kept.pair.shadow),
        ("now", &now),
    ] {
        let took = answer
            .times
            .map_or_else(String::new, |times| format!(", {:.1?}", times.last));
        let _ = writeln!(text, "  {who:<14}{}{}{took}", status(answer), leads_to(answer));
    }
    let mut rows = |title: &str, differences: &mut dyn Iterator<Item = (&Difference, &str)>| {
        let mut title = Some(title);
        for (difference, why) in differences {
            if let Some(title) = title.take() {
                let _ = writeln!(text, "{title}");
            }
            let _ = writeln!(text, "  {}{why}", row(difference));
        }
    };
    rows(
        "Differs from production:",
        &mut told.differences.iter().map(|difference| (difference, "")),
    );
    rows(
        "Cannot be compared, because it was redacted when stored:",
        &mut told.redacted.iter().map(|difference| (difference, "")),
    );
    let by_rule: Vec<_> = told
        .by_rule
        .iter()
        .map(|(difference, rule)| (difference, format!("  ({})", visible(rule))))
        .collect();
    rows(
        "Differs, but is ignored by a rule:",
        &mut by_rule.iter().map(|(difference, why)| (*difference, &**why)),
    );
    let same = told.differences.is_empty();
    if same {
        text.push_str("Equal to production's response\n");
    }
    print(text.as_bytes())?;
    Ok(super::code(same))
}

/// Lists pairs that differ.
fn list(
    arguments: &ReplayArguments,
    judging: &Judging,
    store: &Store,
    of: Option<u16>,
) -> anyhow::Result<ExitCode> {
    let path = arguments.path.as_ref().map(|path| {
        PathPattern::parse(path).map_err(|error| {
            Problem::new(
                error.to_string(),
                "write a path as reports show it, such as '$.items[*].price'",
            )
            .of("--path", path)
        })
    });
    let path = path.transpose()?;
    let mut routes = Routes::new(judging.routes.clone(), judging.max_routes);
    if arguments.endpoint.is_some() {
        // Which endpoints there are is known when all requests are.
        for kept in store.records().filter(|kept| of.is_none_or(|of| of == kept.of())) {
            match &kept {
                Kept::Pair(kept) => {
                    endpoint_of(&mut routes, kept, judging);
                }
                Kept::Unpaired { unpaired, .. } => {
                    let (method, target) = called(&unpaired.request_line);
                    routes.endpoint_of(method, target, None);
                }
            }
        }
    }
    let mut left = arguments.max;
    for kept in pairs(store, of).filter(|kept| kept.whole) {
        let pair = &kept.pair;
        let (method, target) = method_and_target(&pair.request_head);
        let id = endpoint_of(&mut routes, &kept, judging);
        let endpoint = routes.name(id);
        if arguments
            .endpoint
            .as_ref()
            .is_some_and(|wanted| *wanted != endpoint)
        {
            continue;
        }
        let question = CompareContext {
            endpoint: &endpoint,
            method,
            head: &pair.request_head,
            host: store
                .run()
                .comparisons
                .get(usize::from(kept.of))
                .and_then(|kept| kept.hosts.shadow.as_deref()),
            mapped: None,
            first_host: None,
        };
        let compared = compare(&question, &pair.production, &pair.shadow, &judging.rules);
        let of_path = |difference: &&Difference| {
            path.as_ref()
                .is_none_or(|path| path.covers(&endpoint, &difference.path))
        };
        let differences: Vec<_> = compared.differences.iter().filter(of_path).collect();
        if differences.is_empty() {
            continue;
        }
        if left == 0 {
            eprintln!("There are more: raise --max to see them");
            break;
        }
        left -= 1;
        let mut text = format!(
            "{}  {}\n",
            pair.id,
            visible(&String::from_utf8_lossy(&[method, b" ", target].concat()))
        );
        for difference in differences {
            let _ = writeln!(text, "    {}", row(difference));
        }
        print(text.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pairs of one comparison, or of all.
fn pairs(store: &Store, of: Option<u16>) -> impl Iterator<Item = Box<KeptPair>> {
    store.records().filter_map(move |kept| match kept {
        Kept::Pair(pair) if of.is_none_or(|of| of == pair.of) => Some(pair),
        _ => None,
    })
}

fn method_and_target(head: &[u8]) -> (&[u8], &[u8]) {
    let line = &head[..memchr::memchr(b'\r', head).unwrap_or(head.len())];
    let mut words = line.split(|byte| *byte == b' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// The endpoint of a pair, learned if it is new.
fn endpoint_of(routes: &mut Routes, kept: &KeptPair, judging: &Judging) -> EndpointId {
    let pair = &kept.pair;
    let (method, target) = called(&pair.request_head);
    let status = Some(pair.production.route_status());
    let of = routes.endpoint_of(method, target, status);
    let route_by = &judging.route_by;
    let selected = route_by.read_again(kept.selected.as_ref(), &pair.request_head, &pair.request_body);
    routes.select(of, selected.as_ref(), status)
}

/// The status line behind its version.
fn status(answer: &Answer) -> String {
    let end = memchr::memchr(b'\r', &answer.head).unwrap_or(answer.head.len());
    let line = String::from_utf8_lossy(&answer.head[..end]);
    visible(line.split_once(' ').map_or("", |(_, status)| status)).into_owned()
}

/// Where a redirect leads, which is not followed.
fn leads_to(answer: &Answer) -> String {
    let is_redirect = answer
        .head
        .split(|byte| *byte == b' ')
        .nth(1)
        .is_some_and(|status| status.starts_with(b"3"));
    let fields = head_fields(&answer.head).filter(|_| is_redirect);
    let location = fields.into_iter().flatten().find_map(|field| {
        let part = |range: std::ops::Range<u32>| &answer.head[range.start as usize..range.end as usize];
        part(field.name)
            .eq_ignore_ascii_case(b"location")
            .then(|| String::from_utf8_lossy(part(field.value)).into_owned())
    });
    location.map_or_else(String::new, |location| format!(" to {}", visible(&location)))
}

fn row(difference: &Difference) -> String {
    let value = |value: &Option<String>| match value {
        Some(value) => visible(value).into_owned(),
        None => "(none)".to_owned(),
    };
    format!(
        "{}  {}  {} -> {}",
        visible(&difference.path),
        difference.kind.name(),
        value(&difference.production),
        value(&difference.shadow)
    )
}
