//! An OpenID provider that can lie, and answers as GitHub does as well.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Body;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const ID: &str = "troodon";
pub const SECRET: &str = "a secret of both";

/// What is wrong with the next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    None,
    Issuer,
    Audience,
    FurtherAudience,
    Expired,
    NotYet,
    IssuedLater,
    Unsigned,
    SharedKey,
    OtherKey,
    NoNonce,
    OtherNonce,
    OtherTenant,
    NoSubject,
    NoToken,
    HugeToken,
    SlowToken,
    MovedToken,
    OtherPerson,
    OtherDescription,
    HugeDescription,
    SlowDescription,
    MovedDescription,
    PlainDescription,
}

pub struct Idp {
    pub issuer: String,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    keys: Mutex<(EcdsaKeyPair, u64)>,
    lie: Mutex<Lie>,
    person: Mutex<Value>,
    /// Claims that only the second endpoint tells.
    further: Mutex<Value>,
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    count: AtomicU64,
}

struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

impl Idp {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            keys: Mutex::new((key(), 1)),
            lie: Mutex::new(Lie::None),
            person: Mutex::new(ann()),
            further: Mutex::new(json!({})),
            codes: Mutex::default(),
            count: AtomicU64::new(1),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/me", get(me))
            .route("/login/oauth/access_token", post(token))
            .route("/user", get(me))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, shared }
    }

    pub fn lie(&self, lie: Lie) {
        *self.shared.lie.lock().unwrap() = lie;
    }

    /// Whom the next tokens are about.
    pub fn person(&self, claims: Value) {
        *self.shared.person.lock().unwrap() = claims;
    }

    pub fn tell_further(&self, claims: Value) {
        *self.shared.further.lock().unwrap() = claims;
    }

    pub fn change_key(&self) {
        let mut keys = self.shared.keys.lock().unwrap();
        *keys = (key(), keys.1 + 1);
    }

    /// What the provider lets a browser bring back that was sent to this address.
    pub fn agree(&self, address: &str) -> String {
        let (place, query) = address.split_once('?').unwrap();
        assert!(place.starts_with(&self.issuer), "{address}");
        let asked: HashMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code-{}", self.shared.count.fetch_add(1, Ordering::Relaxed));
        let state = asked["state"].clone();
        self.shared.codes.lock().unwrap().insert(code.clone(), asked);
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("state", state), ("code", code)])
            .finish()
    }
}

pub fn ann() -> Value {
    json!({"sub": "s-1", "email": "ann@example.org", "email_verified": true})
}

fn slow() -> Response {
    let silence = futures_util::stream::pending::<Result<Bytes, Infallible>>();
    Body::from_stream(silence).into_response()
}

fn huge() -> Response {
    Json(json!({"issuer": "x".repeat(1 << 20)})).into_response()
}

async fn describe(State(shared): State<Arc<Shared>>) -> Response {
    let lie = *shared.lie.lock().unwrap();
    let own = &shared.issuer;
    let issuer = if lie == Lie::OtherDescription { "https://other.example" } else { own };
    let plain = "http://192.0.2.1/authorize".to_owned();
    let way = if lie == Lie::PlainDescription { plain } else { format!("{own}/authorize") };
    match lie {
        Lie::HugeDescription => huge(),
        Lie::SlowDescription => slow(),
        Lie::MovedDescription => Redirect::to("/keys").into_response(),
        _ => Json(json!({
            "issuer": issuer,
            "authorization_endpoint": way,
            "token_endpoint": format!("{own}/token"),
            "userinfo_endpoint": format!("{own}/me"),
            "jwks_uri": format!("{own}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }))
        .into_response(),
    }
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json {
    let keys = shared.keys.lock().unwrap();
    let point = keys.0.public_key().as_ref();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Json(json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": keys.1.to_string(),
        "x": part(&point[1..33]), "y": part(&point[33..]),
    }]}))
}

async fn me(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != "Bearer access") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut all = shared.person.lock().unwrap().clone();
    let further = shared.further.lock().unwrap().clone();
    all.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    if *shared.lie.lock().unwrap() == Lie::OtherPerson {
        all["sub"] = "s-2".into();
    }
    Json(all).into_response()
}

async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let lie = *shared.lie.lock().unwrap();
    match lie {
        Lie::HugeToken => return huge(),
        Lie::SlowToken => return slow(),
        Lie::MovedToken => return Redirect::to("/token").into_response(),
        _ => {}
    }
    let refused = || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"})));
    let basic = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>();
    let basic = format!("Basic {}", STANDARD.encode(format!("{ID}:{basic}")));
    assert_eq!(headers[header::AUTHORIZATION], basic);
    // A code counts once.
    let Some(asked) = shared.codes.lock().unwrap().remove(&form["code"]) else {
        return refused().into_response();
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    if asked["code_challenge"] != challenge || asked["redirect_uri"] != form["redirect_uri"] {
        return refused().into_response();
    }
    let mut answer = json!({"access_token": "access", "token_type": "Bearer", "expires_in": 60});
    // GitHub is asked for no scope, and has no such token.
    if lie != Lie::NoToken && asked.contains_key("scope") {
        answer["id_token"] = id_token(&shared, lie, &asked).into();
    }
    Json(answer).into_response()
}

fn id_token(shared: &Shared, lie: Lie, asked: &HashMap<String, String>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({"iss": shared.issuer, "aud": ID, "exp": now + 60, "iat": now});
    let person = shared.person.lock().unwrap().clone();
    claims.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
    if let Some(nonce) = asked.get("nonce") {
        claims["nonce"] = nonce.clone().into();
    }
    match lie {
        Lie::Issuer => claims["iss"] = "https://other.example".into(),
        Lie::Audience => claims["aud"] = "another".into(),
        Lie::FurtherAudience => claims["aud"] = json!([ID, "another"]),
        Lie::Expired => claims["exp"] = (now - 1).into(),
        Lie::NotYet => claims["nbf"] = (now + 3_600).into(),
        Lie::IssuedLater => claims["iat"] = (now + 3_600).into(),
        Lie::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Lie::OtherNonce => claims["nonce"] = "another".into(),
        Lie::OtherTenant => claims["tid"] = "8f14e45f-ceea-467f-9a5b-000000000000".into(),
        Lie::NoSubject => claims["sub"] = "".into(),
        _ => {}
    }
    let algorithm = match lie {
        Lie::Unsigned => "none",
        Lie::SharedKey => "HS256",
        _ => "ES256",
    };
    let keys = shared.keys.lock().unwrap();
    let head = json!({"alg": algorithm, "kid": keys.1.to_string(), "typ": "JWT"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let sign = |key: &EcdsaKeyPair| {
        key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
    };
    let signature = match lie {
        Lie::Unsigned => Vec::new(),
        Lie::SharedKey => {
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        Lie::OtherKey => sign(&key()),
        _ => sign(&keys.0),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
