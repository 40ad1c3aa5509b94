//! Tests TLS to PostgreSQL, if it is built in: `sslmode=require` gives an encrypted connection.

use diesel::sql_types::Bool;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use tokenpair_store::{DatabaseUrl, DieselStore, StorePolicy};

use crate::database::{Backend, Database};

#[derive(QueryableByName)]
struct Encrypted {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

#[test]
fn a_url_that_asks_for_tls_gets_it() {
    let database = Database::create(Backend::Postgres);
    let url = format!("{}?sslmode=require", database.url());
    let store =
        DieselStore::open(&DatabaseUrl::parse(&url).unwrap(), StorePolicy::default()).unwrap();
    store.migrate().unwrap();
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let mut own = PgConnection::establish(&url).unwrap();
    assert!(
        sql_query(query)
            .get_result::<Encrypted>(&mut own)
            .unwrap()
            .ssl
    );
    let mut plain =
        PgConnection::establish(&format!("{}?sslmode=disable", database.url())).unwrap();
    assert!(
        !sql_query(query)
            .get_result::<Encrypted>(&mut plain)
            .unwrap()
            .ssl
    );
}
