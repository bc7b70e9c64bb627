//! Resumable streams without I/O: one endpoint as a state machine (`proxy/RESUME.md`).
