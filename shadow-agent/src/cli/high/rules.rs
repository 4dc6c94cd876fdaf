//! The rules of a mirror as meant.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::cli::error::{Problem, UsageError};
use crate::cli::low::filters::FilterFlags;
use crate::cli::value::integer;
use crate::http::is_token;
use crate::mirror::rules::{
    Expression, Filter, Filters, HashShare, Invalid, JsonMatch, JsonPath, Limiter, Named, Network,
    OF_RECORDINGS, Prettifier, Redaction, RedactionKey, Rewrite, RewriteHeader, Rewriters, Rules,
    SafeMethods, SetHeader, SetParameter, User, header_name,
};
use crate::settings::MirrorRules;

/// Rules of one flag at most: each is compared with every request.
const MAX_RULES: usize = 64;
/// Longest key file, in bytes: one that is longer is some other file.
const MAX_KEY: u64 = 4096;

/// The rules of a mirror's outputs.
pub fn resolve(flags: &FilterFlags, max_body: usize) -> Result<MirrorRules, UsageError> {
    let rules = Rules {
        filters: filters(flags)?,
        limiters: limiters(flags)?,
        rewriters: rewriters(flags)?,
        prettifier: flags.prettify_http.then_some(Prettifier { max_body }),
        redaction: None,
    };
    let key = key(flags)?;
    let with = |more: &[&str]| -> Result<Rules, UsageError> {
        Ok(Rules {
            redaction: redaction(flags, more, &key)?,
            ..rules.clone()
        })
    };
    let more = if flags.http_redact_none {
        &[][..]
    } else {
        &OF_RECORDINGS
    };
    Ok(MirrorRules::new(with(&[])?, with(more)?))
}

/// Whether a Host is set, which is then the copy's.
pub fn sets_host(flags: &FilterFlags) -> bool {
    let is_host = |text: &String| {
        text.split_once(':')
            .is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("host"))
    };
    flags.http_set_header.iter().any(is_host)
}

fn filters(flags: &FilterFlags) -> Result<Filters, UsageError> {
    let urls = |flag, texts| each(flag, texts, REGEX, Expression::new);
    let named = |flag, texts: &[String]| {
        each(flag, texts, "write NAME:REGEX, such as api-version:^1", |text| {
            let (name, expression) = pair(text, ':')?;
            if !is_token(name.as_bytes()) {
                return Err(Invalid("not a name of letters, digits and dashes".to_owned()));
            }
            Ok(Named {
                name: name.into(),
                expression: Expression::new(expression)?,
            })
        })
    };
    let json = |flag, texts: &[String]| {
        each(flag, texts, "write PATH:REGEX, such as user.plan:^pro$", |text| {
            let (path, expression) = pair(text, ':')?;
            Ok(JsonMatch {
                path: JsonPath::new(path)?,
                expression: Expression::new(expression)?,
            })
        })
    };
    let methods = |flag, texts| {
        each(flag, texts, "write a method as it is sent, such as GET", |text| {
            if is_token(text.as_bytes()) {
                Ok(text.into())
            } else {
                Err(Invalid("not a method".to_owned()))
            }
        })
    };
    let clients = |flag, texts| {
        each(
            flag,
            texts,
            "write, for example, 10.0.0.0/8 or 2001:db8::1",
            Network::new,
        )
    };
    if let (false, Some(text)) = (flags.safe_methods, flags.safe_methods_allow_url.first()) {
        // Ignored, it would look as if it let only these pass.
        let problem = Problem::new(
            "without --safe-methods every method is allowed",
            "add --safe-methods, or leave this out",
        );
        return Err(problem.of("--safe-methods-allow-url", text));
    }
    let json = Filter {
        allow: json("--http-allow-json", &flags.http_allow_json)?,
        disallow: json("--http-disallow-json", &flags.http_disallow_json)?,
    };
    Ok(Filters {
        methods: Filter {
            allow: methods("--http-allow-method", &flags.http_allow_method)?,
            disallow: methods("--http-disallow-method", &flags.http_disallow_method)?,
        },
        clients: Filter {
            allow: clients("--http-allow-client", &flags.http_allow_client)?,
            disallow: clients("--http-disallow-client", &flags.http_disallow_client)?,
        },
        urls: Filter {
            allow: urls("--http-allow-url", &flags.http_allow_url)?,
            disallow: urls("--http-disallow-url", &flags.http_disallow_url)?,
        },
        safe_methods: flags
            .safe_methods
            .then(|| {
                let allow_url = urls("--safe-methods-allow-url", &flags.safe_methods_allow_url)?;
                Ok(SafeMethods { allow_url })
            })
            .transpose()?,
        headers: Filter {
            allow: named("--http-allow-header", &flags.http_allow_header)?,
            disallow: named("--http-disallow-header", &flags.http_disallow_header)?,
        },
        cookies: Filter {
            allow: named("--http-allow-cookie", &flags.http_allow_cookie)?,
            disallow: named("--http-disallow-cookie", &flags.http_disallow_cookie)?,
        },
        basic_auth: each(
            "--http-basic-auth-filter",
            &flags.http_basic_auth_filter,
            REGEX,
            Expression::new,
        )?,
        // Where nothing asks for it, it makes no rule.
        max_json: if json == Filter::default() {
            0
        } else {
            flags.http_json_limit
        },
        json,
    })
}

fn limiters(flags: &FilterFlags) -> Result<Vec<Limiter>, UsageError> {
    const HOW: &str = "write NAME:PERCENT, such as X-User:10% or X-User:2.5%";
    let by = |flag, texts: &[String], user: fn(Box<str>) -> User| {
        each(flag, texts, HOW, |text| {
            // A value can have no colon, and a parameter's name may.
            let (name, share) = text
                .rsplit_once(':')
                .ok_or_else(|| Invalid("there is no ':'".to_owned()))?;
            let name = name.trim();
            if name.is_empty() {
                return Err(Invalid("there is no name".to_owned()));
            }
            Ok(Limiter {
                user: user(name.into()),
                share: hash_share(share.trim())?,
            })
        })
    };
    let mut limiters = by("--http-header-limiter", &flags.http_header_limiter, User::Header)?;
    limiters.extend(by(
        "--http-param-limiter",
        &flags.http_param_limiter,
        User::Parameter,
    )?);
    limiters.extend(by(
        "--http-cookie-limiter",
        &flags.http_cookie_limiter,
        User::Cookie,
    )?);
    let client = flags.http_client_limiter.as_slice();
    limiters.extend(each(
        "--http-client-limiter",
        client,
        "write, for example, 10% or 2.5%",
        |text| {
            Ok(Limiter {
                user: User::Client,
                share: hash_share(text)?,
            })
        },
    )?);
    Ok(limiters)
}

/// A share of values, a whole percentage in any base that Go knows.
fn hash_share(text: &str) -> Result<HashShare, Invalid> {
    match text.strip_suffix('%').and_then(integer) {
        Some(percent) => HashShare::new(&format!("{percent}%")),
        None => HashShare::new(text),
    }
}

fn rewriters(flags: &FilterFlags) -> Result<Rewriters, UsageError> {
    // What is set may be a credential: only its name is repeated.
    let set = |flag, texts: &[String], separator, how| -> Result<Vec<(String, String)>, UsageError> {
        bounded(flag, texts)?;
        let pairs = texts.iter().map(|text| match text.split_once(separator) {
            Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
            None => Err(Problem::new(format!("there is no '{separator}'"), how).of(flag, "")),
        });
        pairs.collect()
    };
    let (header, parameter) = (
        "write NAME: VALUE, such as 'X-Replayed: 1'",
        "write NAME=VALUE, such as api_key=1",
    );
    let headers = set("--http-set-header", &flags.http_set_header, ':', header)?;
    let parameters = set("--http-set-param", &flags.http_set_param, '=', parameter)?;
    Ok(Rewriters {
        set_headers: headers
            .into_iter()
            .map(|(name, value)| {
                SetHeader::new(&name, &value)
                    .map_err(|why| problem(&why, header).of("--http-set-header", name))
            })
            .collect::<Result<_, _>>()?,
        set_parameters: parameters
            .into_iter()
            .map(|(name, value)| {
                SetParameter::new(&name, &value)
                    .map_err(|why| problem(&why, parameter).of("--http-set-param", name))
            })
            .collect::<Result<_, _>>()?,
        urls: each(
            "--http-rewrite-url",
            &flags.http_rewrite_url,
            "write REGEX:REPLACEMENT; in the expression \\x3a is a ':', and (a|b) does for (?:a|b)",
            |text| {
                let (expression, replacement) = split(text, ':')?;
                Rewrite::new(expression, replacement)
            },
        )?,
        headers: each(
            "--http-rewrite-header",
            &flags.http_rewrite_header,
            "write NAME: REGEX,REPLACEMENT; a ',' in the expression is written as \\x2c",
            |text| {
                let (name, rule) = pair(text, ':')?;
                let (expression, replacement) = split(rule, ',')?;
                Ok(RewriteHeader {
                    name: header_name(name)?,
                    rewrite: Rewrite::new(expression, replacement)?,
                })
            },
        )?,
    })
}

fn redaction(
    flags: &FilterFlags,
    more: &[&str],
    key: &RedactionKey,
) -> Result<Option<Redaction>, UsageError> {
    const HEADER: &str = "--http-redact-header";
    bounded(HEADER, &flags.http_redact_header)?;
    let json = each(
        "--http-redact-json",
        &flags.http_redact_json,
        "write, for example, user.email or /user/email",
        JsonPath::new,
    )?;
    let mut names = flags.http_redact_header.clone();
    for name in more {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push((*name).to_owned());
        }
    }
    if names.is_empty() && json.is_empty() {
        return Ok(None);
    }
    for name in &names {
        header_name(name).map_err(|why| problem(&why, "name headers such as Cookie").of(HEADER, name))?;
    }
    Redaction::new(names, json, flags.http_json_limit, key.clone())
        .map(Some)
        .map_err(|why| problem(&why, "name headers such as Cookie").of(HEADER, ""))
}

fn key(flags: &FilterFlags) -> Result<RedactionKey, UsageError> {
    const FLAG: &str = "--http-redact-key-file";
    match &flags.http_redact_key_file {
        Some(path) => read_key(path).map_err(|problem| problem.of(FLAG, path.display().to_string())),
        None => RedactionKey::of_run()
            .map_err(|why| problem(&why, "give a key with --http-redact-key-file").of(FLAG, "")),
    }
}

fn read_key(path: &Path) -> Result<RedactionKey, Problem> {
    const HOW: &str = "make one with 'openssl rand -hex 32'";
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_KEY + 1).read_to_end(&mut bytes))
        .map_err(|error| Problem::new(format!("cannot read the key ({error})"), HOW))?;
    if bytes.len() as u64 > MAX_KEY {
        return Err(Problem::new(format!("this is longer than {MAX_KEY} bytes"), HOW));
    }
    RedactionKey::new(bytes.trim_ascii_end()).map_err(|why| problem(&why, HOW))
}

/// Help for an invalid expression.
const REGEX: &str = "write a regular expression in the syntax of RE2, such as ^/api/";

/// Reads each value of a flag.
fn each<T>(
    flag: &str,
    texts: &[String],
    how: &str,
    read: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Vec<T>, UsageError> {
    bounded(flag, texts)?;
    texts
        .iter()
        .map(|text| read(text).map_err(|why| problem(&why, how).of(flag, text)))
        .collect()
}

fn bounded(flag: &str, texts: &[String]) -> Result<(), UsageError> {
    if texts.len() > MAX_RULES {
        return Err(Problem::new(
            format!("{} are more than {MAX_RULES}", texts.len()),
            "combine some with a|b in an expression",
        )
        .of(flag, ""));
    }
    Ok(())
}

fn problem(why: &Invalid, how: &str) -> Problem {
    Problem::new(why.to_string(), how)
}

/// The parts before and after the first `separator`.
fn split(text: &str, separator: char) -> Result<(&str, &str), Invalid> {
    text.split_once(separator)
        .ok_or_else(|| Invalid(format!("there is no '{separator}'")))
}

/// The same without white space around the name and before the rest.
fn pair(text: &str, separator: char) -> Result<(&str, &str), Invalid> {
    let (name, rest) = split(text, separator)?;
    Ok((name.trim(), rest.trim_start()))
}

#[cfg(test)]
mod tests;
