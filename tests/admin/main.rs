//! What whoever runs the proxy sees of it and does with it: the API, the live stream, and who may.

mod acts;
mod door;
mod lists;
mod live;
mod served;
