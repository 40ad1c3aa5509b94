//! Tests keys: the signatures of each algorithm, rejected keys, and the choice of a token's key.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

mod algorithms;
mod forged;
mod interop;
#[path = "../shared/openssl.rs"]
mod openssl;
mod refusals;
mod ring;
mod support;
mod tokens;
mod vectors;
mod wycheproof;
