//! Creates key pairs with openssl on each run.

use std::io::Write;
use std::process::{Command, Stdio};

/// Returns the output for this input.
pub(crate) fn openssl(arguments: &str, input: &str) -> String {
    let mut child = Command::new("openssl")
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// A key pair in PEM: PKCS#8 and SubjectPublicKeyInfo.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl Pair {
    /// Creates a key pair with these options of `openssl genpkey`: `-algorithm …`.
    pub(crate) fn new(kind: &str) -> Self {
        let private = openssl(&format!("genpkey {kind}"), "");
        let public = openssl("pkey -pubout", &private);
        Self { private, public }
    }
}
