//! Finds a Python with the packages of `tests/requirements.txt`, which `scripts/test` provides.

const PYTHON: &str = "TOKENPAIR_TEST_PYTHON";

pub(crate) fn python() -> String {
    std::env::var(PYTHON).unwrap_or_else(|_| {
        panic!("{PYTHON} is not set: run scripts/test, or set it to a Python with what tests/requirements.txt names")
    })
}
