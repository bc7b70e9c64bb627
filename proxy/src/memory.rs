//! stub
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
#[derive(Clone, Default, Debug)]
pub struct Memory(Arc<AtomicUsize>);
#[derive(Debug)]
pub struct Lease {
    memory: Memory,
    bytes: usize,
}
impl Memory {
    pub fn lease(&self, bytes: usize) -> Lease {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Lease { memory: self.clone(), bytes }
    }
}
impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
