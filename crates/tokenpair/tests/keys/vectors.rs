//! Tests the RFCs' own examples: 7515 appendix A, 8037 appendix A, 7638 section 3.1.

use tokenpair::keys::{Algorithm, KeyRing, VerifyingKey};

use super::support::{decode, der, encode, integer, pem, sequence, signs};

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn rfc_7515_a_1_hs256() {
    let secret = decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let keys = KeyRing::from_secret(Algorithm::Hs256, &secret).unwrap();
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}");
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(keys.sign(message.as_bytes()).unwrap(), signature);
    let verdict = keys.verify("HS256", None, message.as_bytes(), signature);
    assert_eq!(verdict, Ok(()));
}

const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// d, p, q, dp, dq, qi.
const RSA_PRIVATE: [&str; 6] = [
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];

#[test]
fn rfc_7515_a_2_rs256() {
    let mut numbers = vec![integer(&[0]), integer(&decode(RSA_N)), integer(&[1, 0, 1])];
    numbers.extend(RSA_PRIVATE.map(|number| integer(&decode(number))));
    let key = pem("RSA PRIVATE KEY", &sequence(&numbers));
    let public = VerifyingKey::from_private_pem(Algorithm::Rs256, &key).unwrap();
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}");
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    if signs(&Algorithm::Rs256) {
        let keys = KeyRing::from_pem(Algorithm::Rs256, &key).unwrap();
        assert_eq!(keys.sign(message.as_bytes()).unwrap(), signature);
    }
    let keys = KeyRing::verifying(public);
    let verdict = keys.verify("RS256", None, message.as_bytes(), signature);
    assert_eq!(verdict, Ok(()));
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    assert_eq!(jwks["keys"][0]["n"], RSA_N);
    assert_eq!(jwks["keys"][0]["e"], "AQAB");
}

#[test]
fn rfc_7515_a_3_es256() {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    let d = decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let prime256v1 = der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let sec1 = sequence(&[der(0x02, &[1]), der(0x04, &d), der(0xa0, &prime256v1)]);
    let keys = KeyRing::from_pem(Algorithm::Es256, &pem("EC PRIVATE KEY", &sec1)).unwrap();
    let message = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}");
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let verdict = keys.verify("ES256", keys.kid(), message.as_bytes(), signature);
    assert_eq!(verdict, Ok(()));
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    assert_eq!(jwks["keys"][0]["x"], x);
    assert_eq!(jwks["keys"][0]["y"], y);
    assert_eq!(jwks["keys"][0]["crv"], "P-256");
}

const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

#[test]
fn rfc_8037_a_ed25519() {
    let d = decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let ed25519 = sequence(&[der(0x06, &[0x2b, 0x65, 0x70])]);
    let pkcs8 = sequence(&[der(0x02, &[0]), ed25519.clone(), der(0x04, &der(0x04, &d))]);
    let keys = KeyRing::from_pem(Algorithm::EdDsa, &pem("PRIVATE KEY", &pkcs8)).unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(keys.sign(message).unwrap(), signature);
    assert_eq!(keys.verify("EdDSA", None, message, signature), Ok(()));
    assert_eq!(
        keys.kid(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );
    let jwks = serde_json::to_value(keys.jwks()).unwrap();
    assert_eq!(jwks["keys"][0]["x"], ED25519_X);
    let bits = [&[0], &decode(ED25519_X)[..]].concat();
    let spki = sequence(&[ed25519, der(0x03, &bits)]);
    let alone = VerifyingKey::from_pem(Algorithm::EdDsa, &pem("PUBLIC KEY", &spki)).unwrap();
    assert_eq!(alone.kid(), keys.kid());
}

#[test]
fn rfc_7638_thumbprint() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let pkcs1 = sequence(&[integer(&decode(n)), integer(&[1, 0, 1])]);
    let key = VerifyingKey::from_pem(Algorithm::Rs256, &pem("RSA PUBLIC KEY", &pkcs1)).unwrap();
    assert_eq!(
        key.kid(),
        Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    );
    assert_eq!(encode(&decode(n)), n);
}
