//! Defines the tables for Diesel. A test compares them with the migrations on both databases.

#![allow(
    missing_docs,
    reason = "the columns are described in the migrations and on the structs"
)]

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        password_hash -> Text,
        roles -> Text,
        epoch -> BigInt,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        epoch -> BigInt,
        generation -> BigInt,
        previous_generation -> Nullable<BigInt>,
        previous_barred -> Bool,
        rotated_at -> BigInt,
        handed_at -> Nullable<BigInt>,
        confirmed_at -> Nullable<BigInt>,
        seed -> Text,
        remember -> Bool,
        created_at -> BigInt,
        last_used_at -> BigInt,
        expires_at -> BigInt,
        user_agent -> Nullable<Text>,
        ip -> Nullable<Text>,
        revoked_at -> Nullable<BigInt>,
        revoke_reason -> Nullable<Text>,
        delivery -> Text,
    }
}

diesel::table! {
    revocations (id) {
        id -> Text,
        session_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        lowest_epoch -> Nullable<BigInt>,
        at -> BigInt,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Text,
        at -> BigInt,
        kind -> Text,
        user_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        actor_id -> Nullable<Text>,
        ip -> Nullable<Text>,
        detail -> Nullable<Text>,
        alert_due -> Nullable<BigInt>,
        alert_attempts -> BigInt,
    }
}

diesel::table! {
    throttle (id) {
        id -> Text,
        failures -> BigInt,
        last_at -> BigInt,
        until_at -> BigInt,
    }
}

diesel::table! {
    server_keys (id) {
        id -> Text,
        sealed -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    clients (id) {
        id -> Text,
        name -> Text,
        permissions -> Text,
        secret -> Text,
        secret_at -> BigInt,
        previous_secret -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, sessions, revocations);
