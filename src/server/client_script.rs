//! Defines `GET /tokenpair.js`, the browser client for pages without a build step.

use std::slice;
use std::sync::OnceLock;

use actix_web::web::Bytes;

use super::assets::{File, StableFile, version};

/// `npm run served` in `clients/typescript` builds the file.
pub(super) static CLIENT_SCRIPT: StableFile =
    StableFile::new("/tokenpair.js", FILE, || version(slice::from_ref(FILE)));

static PLAIN: OnceLock<Bytes> = OnceLock::new();

const FILE: &File = &File::script("tokenpair.js", b"")
    .compressed(include_bytes!("assets/client/tokenpair.js.gz"), &PLAIN);
