//! Implements the cache of verified access tokens. It saves computing the signature and parsing,
//! and decides nothing: every hit checks the times here, and the caller checks revocation as for an
//! unknown token.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::{Cache as Entries, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};

use super::claims::TokenKind;
use super::error::TokenError;
use super::payload::check_times_again;
use super::policy::TokenPolicy;
use super::verify::{Decoded, Expiry, Verifier};
use crate::clock::Timestamp;
use crate::keys::KeyRing;

/// A key ring and the tokens it has verified. Both are replaced together, so a token of a retired
/// key is never found under the next ring, even if its verification spans the replacement. (A
/// policy never changes: another policy has another [`Verifier`].)
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) keys: Arc<KeyRing>,
    cache: Option<Cache>,
}

impl Generation {
    pub(super) fn new(keys: KeyRing, policy: &TokenPolicy) -> Self {
        Self {
            keys: Arc::new(keys),
            cache: Cache::new(policy.cache),
        }
    }

    /// Caches only fully verified access tokens, never a refresh token. If a loader chooses the
    /// keys, it is asked for each token, and the cache is not used.
    pub(super) fn decode(
        &self,
        verifier: &Verifier,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Arc<Decoded>, TokenError> {
        let own_keys = verifier.loaders.decode_key.is_none();
        let cache = self.cache.as_ref().filter(|_| own_keys);
        if let Some(known) = cache.and_then(|cache| cache.0.get(&Sought(token))) {
            check_times_again(&known.claims, now, &verifier.policy)?;
            return Ok(known);
        }
        let text = String::from_utf8_lossy(token);
        let decoded = verifier.verify(&self.keys, &text, now, Expiry::Enforced)?;
        let decoded = Arc::new(decoded);
        if let Some(cache) = cache.filter(|_| decoded.claims.kind == TokenKind::Access) {
            cache.0.insert(Known(token.into()), Arc::clone(&decoded));
        }
        Ok(decoded)
    }
}

/// Keyed by the whole text, compared to its last byte, because two texts may share a hash. `Debug`
/// shows no token.
struct Cache(Entries<Known, Arc<Decoded>, InKib>);

/// The text of a token in the cache.
#[derive(Clone, PartialEq, Eq)]
struct Known(Box<[u8]>);

/// The text of a token to look up.
struct Sought<'a>(&'a [u8]);

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought(&self.0).hash(state);
    }
}

/// Hashes the end of the text alone, which is of the signature: verified tokens that end alike are
/// as rare as equal hashes.
impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = self.0.len().saturating_sub(HASHED);
        self.0.get(end..).unwrap_or_default().hash(state);
    }
}

impl Equivalent<Known> for Sought<'_> {
    fn equivalent(&self, known: &Known) -> bool {
        *self.0 == *known.0
    }
}

/// The number of bytes that are hashed: less than the shortest signature, of HS256, has.
const HASHED: usize = 32;

/// A token's weight in the cache: 1, or its size in KiB if that is more, so that long tokens take
/// no more memory.
#[derive(Clone)]
struct InKib;

impl Weighter<Known, Arc<Decoded>> for InKib {
    fn weight(&self, token: &Known, _: &Arc<Decoded>) -> u64 {
        token.0.len().div_ceil(1024).max(1) as u64
    }
}

/// The fewest tokens per lock. Below that, another lock does not pay off.
const PER_SHARD: usize = 64;

/// More locks than this do not help on any machine.
const MAX_SHARDS: usize = 64;

impl Cache {
    /// Returns a cache for this many tokens. `None` for 0.
    fn new(tokens: usize) -> Option<Self> {
        if tokens == 0 {
            return None;
        }
        let shards = (tokens / PER_SHARD).clamp(1, MAX_SHARDS);
        let shards = 1 << shards.ilog2();
        // Rounded down, since each shard rounds up.
        let tokens = tokens / shards * shards;
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(tokens)
            .weight_capacity(tokens as u64)
            .build()
            .ok()?;
        let hasher = DefaultHashBuilder::default();
        let entries = Entries::with_options(options, InKib, hasher, DefaultLifecycle::default());
        Some(Self(entries))
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("tokens", &self.0.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Map, json};

    use super::*;
    use crate::keys::Algorithm;
    use crate::token::Tokens;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn ring(secret: &[u8]) -> KeyRing {
        KeyRing::from_secret(Algorithm::Hs256, secret).unwrap()
    }

    fn tokens(cache: usize) -> Tokens {
        let policy = TokenPolicy {
            cache,
            ..TokenPolicy::default()
        };
        Tokens::new(ring(b"32 bytes that only the server knows"), policy)
    }

    fn signed(tokens: &Tokens, kind: TokenKind, padding: usize) -> String {
        let claims = tokens.claims(kind, "ada", uuid::Uuid::now_v7().to_string(), NOW);
        let padding = Map::from_iter([("padding".to_owned(), json!("x".repeat(padding)))]);
        let issued = tokens.sign_with(&claims, &padding, &Map::new()).unwrap();
        issued.token.as_str().to_owned()
    }

    fn held(tokens: &Tokens) -> usize {
        let generation = tokens.generation.load();
        let cache = generation.cache.as_ref();
        cache.map_or(0, |cache| cache.0.len())
    }

    #[test]
    fn a_token_is_verified_once_and_its_times_are_looked_at_each_time() {
        let tokens = tokens(10);
        let token = signed(&tokens, TokenKind::Access, 0);
        let first = tokens.decode_access(&token, NOW).unwrap();
        let second = tokens.decode_access(&token, NOW).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let early = tokens.decode_access(&token, NOW - Duration::from_secs(1));
        let wait = Duration::from_secs(1);
        assert_eq!(early, Err(TokenError::NotYetValid { claim: "iat", wait }));
        let end = NOW + Duration::from_secs(3600);
        assert_eq!(tokens.decode_access(&token, end), Err(TokenError::Expired));
    }

    #[test]
    fn what_is_not_an_access_token_that_verified_is_never_kept() {
        let tokens = tokens(10);
        let refresh = signed(&tokens, TokenKind::Refresh, 0);
        assert!(tokens.decode_access(&refresh, NOW).is_ok());
        let access = signed(&tokens, TokenKind::Access, 0);
        assert!(tokens.decode_access(&format!("{access}A"), NOW).is_err());
        let early = NOW - Duration::from_secs(1);
        assert!(tokens.decode_access(&access, early).is_err());
        assert_eq!(held(&tokens), 0);
        assert!(tokens.decode_access(&access, NOW).is_ok());
        assert_eq!(held(&tokens), 1);
    }

    #[test]
    fn a_text_that_ends_like_a_known_token_is_another_token() {
        let tokens = tokens(10);
        let token = signed(&tokens, TokenKind::Access, 0);
        assert!(tokens.decode_access(&token, NOW).is_ok());
        let (begin, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = begin.split_once('.').unwrap();
        let other = signed(&tokens, TokenKind::Access, 9);
        let other = other.split('.').nth(1).unwrap();
        for forged in [
            format!("{header}.{other}.{signature}"),
            format!("{payload}.{header}.{signature}"),
            format!(".{signature}"),
            signature.to_owned(),
            format!("{token}.{signature}"),
        ] {
            assert!(tokens.decode_access(&forged, NOW).is_err(), "{forged}");
        }
        assert_eq!(held(&tokens), 1);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_token() {
        let tokens = tokens(10);
        let token = signed(&tokens, TokenKind::Access, 0);
        assert!(tokens.decode_access(&token, NOW).is_ok());
        let garbled = [token.as_bytes(), &[0xFF]].concat();
        let refusal = tokens.decode_access(&garbled, NOW);
        assert_eq!(refusal, Err(TokenError::InvalidSegment("crypto")));
    }

    #[test]
    fn other_keys_find_nothing_of_what_was_verified_before_not_even_late() {
        let tokens = tokens(10);
        let [known, late] = [0, 0].map(|padding| signed(&tokens, TokenKind::Access, padding));
        let old = tokens.generation.load_full();
        assert!(tokens.decode_access(&known, NOW).is_ok());
        tokens.replace_keys(ring(b"the 32 bytes that sign hereafter"));
        assert!(
            old.decode(&tokens.verifier, late.as_bytes(), NOW).is_ok(),
            "it had begun"
        );
        assert_eq!(held(&tokens), 0);
        for token in [&known, &late] {
            let refusal = tokens.decode_access(token, NOW);
            assert_eq!(refusal, Err(TokenError::BadSignature));
        }
    }

    #[test]
    fn no_more_is_kept_than_the_policy_allows_and_long_tokens_count_as_several() {
        for size in [0, 1, 3, 100, 1_000] {
            let tokens = tokens(size);
            for _ in 0..2 * size + 10 {
                let token = signed(&tokens, TokenKind::Access, 0);
                assert!(tokens.decode_access(&token, NOW).is_ok());
            }
            assert!(held(&tokens) <= size, "{} of {size}", held(&tokens));
            assert!(held(&tokens) >= size / 2, "{} of {size}", held(&tokens));
        }
        let tokens = tokens(30);
        for _ in 0..100 {
            let token = signed(&tokens, TokenKind::Access, 4 * 1024);
            assert!(tokens.decode_access(&token, NOW).is_ok());
        }
        assert!(
            (1..=30 / 5).contains(&held(&tokens)),
            "{} of 5 KiB",
            held(&tokens)
        );
    }

    #[test]
    fn debug_shows_no_token() {
        let tokens = tokens(10);
        let token = signed(&tokens, TokenKind::Access, 0);
        assert!(tokens.decode_access(&token, NOW).is_ok());
        let shown = format!("{tokens:?}");
        assert!(shown.contains("Cache { tokens: 1, .. }"), "{shown}");
        assert!(!shown.contains("eyJ") && !shown.contains("ada"), "{shown}");
    }
}
