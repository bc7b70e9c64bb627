//! Sends a stream where its path says.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use browser_stream_mux::Code;
use futures::future::{BoxFuture, FutureExt};
use matchit::Match;
use tracing::Instrument;

use super::{StreamServerProxy, connect, listen, names, watch};
use crate::{
    error::OpenError,
    session::{Beginning, Begun, Opening, Opens},
};

/// Takes the streams of one route.
///
/// ```
/// use browser_stream_server::{Handler, Opening, StreamRouter};
/// use futures::{FutureExt, future::BoxFuture};
///
/// /// What a closure does, with a name.
/// struct Echo;
///
/// impl Handler for Echo {
///     fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
///         async move {
///             let (mut reader, mut writer) = tokio::io::split(opening.accept());
///             drop(tokio::io::copy(&mut reader, &mut writer).await);
///         }
///         .boxed()
///     }
/// }
///
/// let router = StreamRouter::new().route("/echo", Echo);
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Answers a stream that a peer opened to this route.
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()>;
}

impl<F, R> Handler for F
where
    F: Fn(Opening) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    fn call(&self, opening: Opening) -> BoxFuture<'static, ()> {
        self(opening).boxed()
    }
}

/// Maps paths to what takes their streams; patterns are those of axum: `/files/{id}`, `/static/{*rest}`.
///
/// ```
/// use browser_stream_server::{Code, OpenError, Opening, StreamRouter, StreamServerProxy};
///
/// let router = StreamRouter::new()
///     .mount(StreamServerProxy::new("/browser-server"))
///     // A page opens one by `mdm.createStream(meta, { path: "/time" })`.
///     .route("/time", |opening: Opening| async move {
///         let mut stream = opening.accept();
///         let now = format!("{:?}", std::time::SystemTime::now());
///         if stream.write_chunk(now.into()).await.is_ok() {
///             stream.finish();
///         }
///     })
///     .route("/files/{id}", |opening: Opening| async move {
///         opening.refuse(OpenError::new(Code::NotFound, "there is no such file")).await;
///     });
/// ```
#[derive(Clone, Default)]
pub struct StreamRouter {
    routes: matchit::Router<Route>,
    proxies: Vec<StreamServerProxy>,
}

#[derive(Clone)]
enum Route {
    Listen(StreamServerProxy),
    Connect(StreamServerProxy),
    Watch(StreamServerProxy),
    Names(StreamServerProxy),
    Handler(Arc<dyn Handler>),
    /// Takes streams of other nodes; for peers there is no such path.
    #[cfg(feature = "cluster")]
    Node(Arc<dyn Handler>),
}

impl StreamRouter {
    /// A router that finds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts a stream server proxy under its prefix.
    ///
    /// # Panics
    /// If a route of the same pattern is there already: a mistake in the program, found at its start, as with axum's router.
    pub fn mount(self, proxy: StreamServerProxy) -> Self {
        let prefix = proxy.prefix().to_owned();
        self.insert(&format!("{prefix}/listen/{{name}}"), Route::Listen(proxy.clone()))
            .insert(&format!("{prefix}/watch/{{name}}"), Route::Watch(proxy.clone()))
            .insert(&format!("{prefix}/connect/{{name}}"), Route::Connect(proxy.clone()))
            .insert(&format!("{prefix}/names"), Route::Names(proxy.clone()))
            .with(proxy)
    }

    /// What it has mounted.
    pub(crate) fn proxies(&self) -> &[StreamServerProxy] {
        &self.proxies
    }

    /// Whether it has mounted this one.
    pub(crate) fn has(&self, proxy: &StreamServerProxy) -> bool {
        self.proxies.iter().any(|mounted| Arc::ptr_eq(&mounted.inner, &proxy.inner))
    }

    fn with(mut self, proxy: StreamServerProxy) -> Self {
        self.proxies.push(proxy);
        self
    }

    /// Hands the streams of a path to a handler, which accepts or refuses them.
    ///
    /// # Panics
    /// If the pattern is malformed or there already: a mistake in the program, found at its start, as with axum's router.
    pub fn route(self, pattern: &str, handler: impl Handler) -> Self {
        self.insert(pattern, Route::Handler(Arc::new(handler)))
    }

    /// Hands the streams of a path to a handler that other nodes of the cluster open, and nobody else.
    #[cfg(feature = "cluster")]
    pub(crate) fn route_of_nodes(self, pattern: &str, handler: impl Handler) -> Self {
        self.insert(pattern, Route::Node(Arc::new(handler)))
    }

    #[allow(clippy::panic)] // Said in the public documentation: found at start, never by what a peer does.
    fn insert(mut self, pattern: &str, route: Route) -> Self {
        if let Err(error) = self.routes.insert(pattern, route) {
            panic!("route {pattern:?}: {error}"); // as above
        }
        self
    }
}

impl Route {
    /// Whether other nodes alone know it.
    fn is_of_nodes(&self) -> bool {
        #[cfg(feature = "cluster")]
        return matches!(self, Self::Node(_));
        #[cfg(not(feature = "cluster"))]
        false
    }
}

impl Opens for StreamRouter {
    fn at_once(&self, beginning: Beginning<'_>) -> Begun {
        match self.routes.at(&beginning.open().path) {
            Ok(Match { value: Route::Connect(proxy), params }) => {
                connect::at_once(proxy, beginning, params.get("name").unwrap_or_default())
            }
            _ => Begun::Later,
        }
    }

    fn opened(&self, opening: Opening) -> BoxFuture<'static, ()> {
        let path = &opening.open().path;
        let is_node = opening.session().is_node();
        let Some(found) = self.routes.at(path).ok().filter(|found| is_node || !found.value.is_of_nodes()) else {
            let error = OpenError::new(Code::NotFound, "no route of the proxy takes this path: is the prefix right?");
            return opening.refuse(error).boxed();
        };
        if is_node && !matches!(found.value, Route::Connect(_)) && !found.value.is_of_nodes() {
            let error = OpenError::new(
                Code::NotFound,
                "a node asks another for servers, channels and what its operator wants to know, and for nothing else",
            );
            return opening.refuse(error).boxed();
        }
        let segment = found.params.get("name").unwrap_or_default().to_owned();
        match found.value {
            Route::Handler(handler) => handle(handler.clone(), opening).boxed(),
            Route::Listen(proxy) => listen::listen(proxy.clone(), opening, segment).boxed(),
            Route::Connect(proxy) => connect::connect(proxy.clone(), opening, segment).boxed(),
            Route::Watch(proxy) => watch::watch(proxy.clone(), opening, segment).boxed(),
            Route::Names(proxy) => names::names(proxy.clone(), opening).boxed(),
            #[cfg(feature = "cluster")]
            Route::Node(handler) => handle(handler.clone(), opening).boxed(),
        }
    }

    fn draining(&self) {
        for proxy in &self.proxies {
            proxy.inner.registry.drain();
        }
    }
}

/// A handler is somebody else's code: it may take its time, and whatever it does is no other stream's business.
async fn handle(handler: Arc<dyn Handler>, opening: Opening) {
    let handling = async move {
        // As it unwinds, its stream is reset `internal`.
        if AssertUnwindSafe(handler.call(opening)).catch_unwind().await.is_err() {
            tracing::error!("a handler panicked; its stream was reset");
        }
    };
    tokio::spawn(handling.in_current_span());
}
