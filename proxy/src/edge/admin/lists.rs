//! What the API tells: lists of what there is, in parts, and single things.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::header;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, sleep};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    chronicle::KEPT,
    door::{Caller, Need},
    fault::Fault,
    office::Office,
    overview::Overview,
    reach::Of,
    rows::{ChannelRow, EventRow, MemberRow, NameRow, RoomRow, SessionRow, StreamRow},
    table::Table,
    tables::{self, Kind},
};

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Paging {
    /// At most so many rows.
    #[param(minimum = 1, maximum = 10_000, default = 1000)]
    limit: Option<usize>,
    /// Rows behind this key: the `next` of the part before.
    after: Option<String>,
    /// Rows in which this is found.
    search: Option<String>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T: ToSchema> {
    rows: Vec<OfNode<T>>,
    /// The key behind which the next part begins.
    next: Option<String>,
    /// Rows in all parts.
    total: usize,
    /// In a cluster: nodes that did not answer in time, whose rows are not here.
    missing: Option<Vec<String>>,
}

/// A row.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfNode<T: ToSchema> {
    #[serde(flatten)]
    row: T,
    /// In a cluster: the first eight digits of the id of its node.
    node: Option<String>,
}

const LIMIT: usize = 1000;
const LIMIT_MAX: usize = 10_000;

impl Paging {
    /// At most so many rows are asked for.
    #[cfg(feature = "cluster")]
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT)
    }

    /// Whether it goes on where another part ended.
    #[cfg(feature = "cluster")]
    pub(super) fn goes_on(&self) -> bool {
        self.after.is_some()
    }

    pub(super) fn of(query: Option<String>) -> Result<Self, Fault> {
        let query = query.unwrap_or_default();
        let uri = http::Uri::builder().path_and_query(format!("/?{query}")).build().map_err(|error| Fault::bad(error.to_string()))?;
        let paging = axum::extract::Query::<Self>::try_from_uri(&uri).map_err(|error| Fault::bad(error.body_text()))?.0;
        match paging.limit {
            Some(limit) if !(1..=LIMIT_MAX).contains(&limit) => Err(Fault::bad(format!("limit is a number from 1 to {LIMIT_MAX}"))),
            _ => Ok(paging),
        }
    }

    fn part_of(&self, table: &Table) -> Response {
        let part = table.part(self.after.as_deref(), self.limit.unwrap_or(LIMIT), self.search.as_deref().unwrap_or_default());
        ([(header::CONTENT_TYPE, "application/json")], part.to_json()).into_response()
    }
}

/// So long a table is kept of which another node has one part and is to have the others.
const KEPT_FOR_NODES: Duration = Duration::from_secs(2);

type Listing = Result<Response, Fault>;

async fn list(office: &Office, caller: &Caller, kind: Kind, query: Option<String>) -> Listing {
    let paging = Paging::of(query)?;
    // Other nodes ask for all parts at once: to look at everything anew for each would cost too much.
    let age_max = if caller.is_node() && paging.after.is_some() { KEPT_FOR_NODES } else { Duration::ZERO };
    let table = office.tables.get(office.inner()?.as_ref(), kind, age_max).await;
    let answer = paging.part_of(&table);
    if caller.is_node() && paging.after.is_none() && table.rows.len() > paging.limit.unwrap_or(LIMIT) {
        tokio::spawn(async move {
            sleep(KEPT_FOR_NODES).await;
            drop(table);
        });
    }
    Ok(answer)
}

/// What whoever asks is and may.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    read: bool,
    act: bool,
    sub: Option<String>,
    version: &'static str,
}

/// Who asks, and what they may.
#[utoipa::path(get, path = "/admin/api/me", responses((status = 200, body = Me)))]
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    let (read, act) = (caller.may(Need::Read), caller.may(Need::Act));
    Json(Me { read, act, sub: caller.sub.map(|sub| sub.to_string()), version: env!("CARGO_PKG_VERSION") })
}

/// The proxy in a few numbers.
#[utoipa::path(get, path = "/admin/api/overview", params(Of), responses((status = 200, body = Overview), (status = 404, body = Fault)))]
pub(super) async fn overview(State(office): State<Arc<Office>>) -> Result<Json<Overview>, Fault> {
    Ok(Json(Overview::of(office.inner()?.as_ref())))
}

/// The sessions.
#[utoipa::path(get, path = "/admin/api/sessions", params(Paging, Of), responses((status = 200, body = Listed<SessionRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn sessions(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Listing {
    list(&office, &caller, Kind::Sessions, query).await
}

/// One session.
#[utoipa::path(
    get, path = "/admin/api/sessions/{id}", params(("id" = String, Path), Of),
    responses((status = 200, body = OfNode<SessionRow>), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn session(State(office): State<Arc<Office>>, Path(id): Path<String>) -> Result<Json<SessionRow>, Fault> {
    let session = office.session(&id)?;
    Ok(Json(tables::session(session.seen())))
}

/// The names that are not free.
#[utoipa::path(get, path = "/admin/api/names", params(Paging, Of), responses((status = 200, body = Listed<NameRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn names(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, RawQuery(query): RawQuery) -> Listing {
    list(&office, &caller, Kind::Names, query).await
}

/// The streams.
#[utoipa::path(get, path = "/admin/api/streams", params(Paging, Of), responses((status = 200, body = Listed<StreamRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn streams(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, RawQuery(query): RawQuery) -> Listing {
    list(&office, &caller, Kind::Streams, query).await
}

/// The channels.
#[utoipa::path(get, path = "/admin/api/channels", params(Paging, Of), responses((status = 200, body = Listed<ChannelRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn channels(
    State(office): State<Arc<Office>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Listing {
    list(&office, &caller, Kind::Channels, query).await
}

/// The rooms.
#[utoipa::path(get, path = "/admin/api/rooms", params(Paging, Of), responses((status = 200, body = Listed<RoomRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn rooms(State(office): State<Arc<Office>>, Extension(caller): Extension<Caller>, RawQuery(query): RawQuery) -> Listing {
    list(&office, &caller, Kind::Rooms, query).await
}

/// The members of a room.
#[utoipa::path(
    get, path = "/admin/api/rooms/{name}/members", params(("name" = String, Path), Paging, Of),
    responses((status = 200, body = Listed<MemberRow>), (status = 400, body = Fault), (status = 404, body = Fault))
)]
pub(super) async fn members(
    State(office): State<Arc<Office>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let paging = Paging::of(query)?;
    let members = office.inner()?.rooms.members_here(&name);
    if members.is_empty() {
        return Err(Fault::missing("nobody is in a room of that name"));
    }
    Ok(paging.part_of(&Table::of(members.into_iter().map(tables::member))))
}

/// What happened last, oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    rows: Vec<EventRow>,
    next: Option<String>,
    total: usize,
}

/// What happened last: `after` is the number of an event, and `limit` takes the newest.
#[utoipa::path(get, path = "/admin/api/events", params(Paging, Of), responses((status = 200, body = Listed<EventRow>), (status = 400, body = Fault), (status = 404, body = Fault)))]
pub(super) async fn events(State(office): State<Arc<Office>>, RawQuery(query): RawQuery) -> Result<Json<Happened>, Fault> {
    let Paging { limit, after, search } = Paging::of(query)?;
    let after = after.map(|after| after.parse().map_err(|_| Fault::bad("after is the number of an event"))).transpose()?;
    let mut rows = office.chronicle.behind(after.unwrap_or(0), KEPT);
    if let Some(search) = search.map(|search| search.to_lowercase()) {
        rows.retain(|row| {
            [Some(&row.kind), Some(&row.text), row.name.as_ref()].into_iter().flatten().any(|text| text.to_lowercase().contains(&search))
        });
    }
    let total = rows.len();
    rows.drain(..total.saturating_sub(limit.unwrap_or(LIMIT)));
    Ok(Json(Happened { rows, next: None, total }))
}

/// The session of that id.
pub(super) fn uuid(text: &str) -> Result<Uuid, Fault> {
    Uuid::parse_str(text).map_err(|_| Fault::bad("that is no id: it is like 01234567-89ab-cdef-0123-456789abcdef"))
}
