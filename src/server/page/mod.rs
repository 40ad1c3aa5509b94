//! Implements the built-in page: HTML without scripts for people, in English and Korean.
//!
//! Templates escape every value by construction (maud). The strict `Content-Security-Policy` names
//! the style sheet by its hash.

mod account;
mod address;
mod document;
mod errors;
mod form_csrf;
mod forms;
mod input;
mod language;
mod next;
mod site;
mod texts;
mod visit;

pub(super) use self::account::{Account, Device, Listed, Sessions};
pub(super) use self::address::{Address, LOG_OUT, PASSWORD, REGISTER, SESSIONS, form_of, is_form};
pub(super) use self::document::{Shown, see_other, to_path};
pub(super) use self::errors::show_error;
pub(super) use self::form_csrf::csrf_from_form;
pub(super) use self::forms::{confirmation, log_in, password, programs_only, register};
pub(super) use self::input::Input;
pub(super) use self::site::{Site, follow};
pub(super) use self::visit::{View, Visit};
