//! From a request to its answer: who asks, what for, which fault meets it, and what the store says.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::body::Body;
use super::failure::{self, Failure};
use super::faults::Fault;
use super::request::{Query, Request, Verb};
use super::resource::Resource;
use super::selector::Selector;
use super::state::{Shared, State};
use super::store::Key;
use super::view::View;
use super::watch::Watch;
use super::write::{self, Part};
use super::{TOKEN, discovery, list};

/// The most a request's body may have; that of the real server.
const BODY: usize = 3 * 1024 * 1024;

/// The media type that a patch may have.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// A request with all that its answer depends on.
struct Call {
    request: Request,
    query: Query,
    headers: HeaderMap,
    body: Value,
}

/// The outcome of a call.
enum Outcome {
    Object(u16, Value),
    Watch(Box<Watch>),
    /// The path leads nowhere, which the real server says without a `Status`.
    NoSuchPath,
}

/// Answers a request.
pub(super) async fn answer(shared: &Arc<Shared>, request: hyper::Request<Incoming>) -> Response<Body> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let Some(parsed) = Request::parse(request.method().as_str(), request.uri().path(), &query) else {
        return refuse(&Failure::method_not_allowed());
    };
    let (delay, fault) = shared.change(|state| {
        state.requests.push(recorded(&parsed));
        state.faults.take(&parsed)
    });
    tokio::time::sleep(delay).await;
    if let Some(Fault::Status(code)) = fault {
        return refuse(&Failure::fault(
            code,
            parsed.verb.name(),
            &parsed.resource,
            &parsed.group,
        ));
    }
    let (head, body) = request.into_parts();
    let body = match read(body, &head.method).await {
        Ok(body) => body,
        Err(failure) => return refuse(&failure),
    };
    let call = Call {
        request: parsed,
        query,
        headers: head.headers,
        body,
    };
    match call.make(shared) {
        Ok(Outcome::Object(code, object)) => whole(code, object.to_string().into(), fault),
        Ok(Outcome::Watch(watch)) => json_response(200, watch.start(fault)),
        Ok(Outcome::NoSuchPath) => {
            let mut response = json_response(404, Body::whole("404 page not found\n"));
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, plain);
            response
        }
        Err(failure) => refuse(&failure),
    }
}

impl Call {
    fn make(&self, shared: &Arc<Shared>) -> Result<Outcome, Failure> {
        let wrong = |value: &HeaderValue| value.as_bytes().strip_prefix(b"Bearer ") != Some(TOKEN.as_bytes());
        // Whoever sends none is let in: kubectl does not, where there is no TLS.
        if self.headers.get(AUTHORIZATION).is_some_and(wrong) {
            return Err(Failure::unauthorized());
        }
        if self.request.resource.is_empty() {
            return Ok(shared.read(|state| {
                let document =
                    discovery::document(&self.request.path, |one, version| state.has(one, version));
                document.map_or(Outcome::NoSuchPath, |document| Outcome::Object(200, document))
            }));
        }
        let Some(resource) = Resource::at(&self.request.group, &self.request.version, &self.request.resource)
        else {
            return Ok(Outcome::NoSuchPath);
        };
        let part = match self.request.subresource.as_str() {
            "" => Part::Main,
            "status" if resource.status => Part::Status,
            _ => return Ok(Outcome::NoSuchPath),
        };
        if !shared.read(|state| state.has(resource, &self.request.version)) {
            return Ok(Outcome::NoSuchPath);
        }
        match self.request.verb {
            Verb::Get | Verb::List => shared.read(|state| self.look(state, resource)),
            Verb::Watch => {
                let watch = shared.change(|state| {
                    let (only, selector) = (self.metadata_only(), self.selector(resource)?);
                    Watch::open(
                        shared,
                        state,
                        &self.request,
                        resource,
                        only,
                        selector,
                        &self.query,
                    )
                });
                watch.map(|watch| Outcome::Watch(Box::new(watch)))
            }
            _ => shared.change(|state| self.write(state, resource, part)),
        }
    }

    fn look(&self, state: &State, resource: &'static Resource) -> Result<Outcome, Failure> {
        let view = self.view(resource);
        let object = if let Some(name) = &self.request.name {
            let object = state.store.get(&self.key(resource, name));
            view.object(object.ok_or_else(|| Failure::not_found(resource, name))?)
        } else {
            let namespace = self.request.namespace.as_deref();
            list::list(
                &state.store,
                view,
                namespace,
                &self.selector(resource)?,
                &self.query,
            )?
        };
        Ok(Outcome::Object(200, object))
    }

    fn write(&self, state: &mut State, resource: &'static Resource, part: Part) -> Result<Outcome, Failure> {
        let store = &mut state.store;
        let namespace = self.request.namespace.as_deref().unwrap_or_default();
        if resource.namespaced && namespace.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        let (code, object) = match (self.request.verb, &self.request.name) {
            (Verb::Create, None) => (201, write::create(store, resource, namespace, self.body.clone())?),
            (Verb::Update, Some(name)) => {
                let key = self.key(resource, name);
                (
                    200,
                    write::update(store, resource, &key, self.body.clone(), part)?,
                )
            }
            (Verb::Patch, Some(name)) => {
                let media = self
                    .headers
                    .get(CONTENT_TYPE)
                    .and_then(|value| value.to_str().ok());
                if media.and_then(|media| media.split(';').next()) != Some(MERGE_PATCH) {
                    return Err(Failure::unsupported_media_type(MERGE_PATCH));
                }
                let key = self.key(resource, name);
                (200, write::patch(store, resource, &key, &self.body, part)?)
            }
            (Verb::Delete, Some(name)) if part == Part::Main => {
                let key = self.key(resource, name);
                let gone = write::delete(store, resource, &key, &self.body)?;
                return Ok(Outcome::Object(200, deleted(resource, name, &gone)));
            }
            _ => return Err(Failure::method_not_allowed()),
        };
        Ok(Outcome::Object(code, self.view(resource).object(&object)))
    }

    fn view(&self, resource: &'static Resource) -> View<'_> {
        View {
            resource,
            version: &self.request.version,
            metadata_only: self.metadata_only(),
        }
    }

    fn metadata_only(&self) -> bool {
        let accept = self.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata"))
    }

    fn selector(&self, resource: &Resource) -> Result<Selector, Failure> {
        let Request {
            label_selector,
            field_selector,
            ..
        } = &self.request;
        Selector::parse(resource, label_selector, field_selector).map_err(Failure::bad_request)
    }

    fn key(&self, resource: &Resource, name: &str) -> Key {
        Key {
            resource: Resource::named(resource.plural).plural,
            namespace: self.request.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
        }
    }
}

/// A request as it is recorded: one that selects by name counts as one for that name, as the authorizer has it.
fn recorded(request: &Request) -> Request {
    let mut recorded = request.clone();
    if let (None, Some(resource)) = (
        &request.name,
        Resource::at(&request.group, &request.version, &request.resource),
    ) {
        let selector = Selector::parse(resource, "", &request.field_selector).ok();
        recorded.name = selector.and_then(|selector| selector.name().map(str::to_owned));
    }
    recorded
}

/// Reads a body, of requests that have one.
async fn read(body: Incoming, method: &Method) -> Result<Value, Failure> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(Value::Null);
    }
    let bytes = Limited::new(body, BODY)
        .collect()
        .await
        .map_err(|_| Failure::too_large())?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() && *method == Method::DELETE {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| Failure::bad_request(format!("not JSON: {error}")))
}

/// The answer to a DELETE.
fn deleted(resource: &Resource, name: &str, gone: &Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": gone["metadata"]["uid"],
        },
    })
}

fn refuse(failure: &Failure) -> Response<Body> {
    let mut response = whole(failure.code, failure.to_json().to_string().into(), None);
    if failure.code == 429 {
        response
            .headers_mut()
            .insert(RETRY_AFTER, failure::RETRY_AFTER.into());
    }
    response
}

fn whole(code: u16, bytes: Bytes, fault: Option<Fault>) -> Response<Body> {
    match fault {
        Some(Fault::Garbage) => json_response(code, Body::whole("{\"kind\":garbage")),
        Some(Fault::Cut) => {
            let length = bytes.len();
            let mut response = json_response(code, Body::half(bytes));
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
        _ => {
            let length = bytes.len();
            let mut response = json_response(code, Body::whole(bytes));
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
    }
}

fn json_response(code: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
