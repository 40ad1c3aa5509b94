//! tokenpair logs people in with a pair of JSON Web Tokens, in the flow of Flask-JWT-Extended.

pub mod clock;
mod json;
pub mod keys;
pub mod password;
pub mod session;
pub mod store;
pub mod token;
pub mod web;
