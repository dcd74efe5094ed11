//! The OpenID Connect provider at which people sign in: authorization code flow with PKCE (OpenID Connect Core 1.0 §3.1,
//! RFC 7636). Who a person is comes from the signed ID token alone.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenClaims, IdTokenFields, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::access::Person;
use crate::config::{Oidc, is_local, is_sign_in_name};
use crate::secret::Secret;

/// Algorithms by which an ID token may be signed: those with a key of the provider's own.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims of an ID token that the standard does not name.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Others(HashMap<String, Value>);

impl AdditionalClaims for Others {}

type Claims = IdTokenClaims<Others, CoreGenderClaim>;
type Tokens = StandardTokenResponse<
    IdTokenFields<
        Others,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type OidcClient = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why the provider signed nobody in.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It does not answer, or not what a provider answers.
    #[error("the provider cannot be used: {0}")]
    Unreachable(String),
    /// What it answered is not proved.
    #[error("the provider's answer is not valid: {0}")]
    Invalid(String),
    /// The claim that is to be the name is missing, or is no name.
    #[error("the ID token has no claim `{0}` that can be a name: have the provider put it there")]
    Nameless(String),
    /// The address that is to be the name is not verified.
    #[error("the provider has not verified the e-mail address")]
    Unverified,
}

/// How long what the provider says of itself is used, or that it failed. It is short, so that nobody is sent to a provider
/// that is away, and no key is used that is withdrawn; and not zero, so that many sign-ins are few requests.
const FRESH: Duration = Duration::from_secs(3);

/// What the provider said of itself, and when.
#[derive(Debug, Default)]
pub(super) struct Provider(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    issuer: String,
    at: Instant,
    said: Result<CoreProviderMetadata, String>,
}

impl Provider {
    /// Returns the address at the provider to which a browser goes to sign in.
    pub(super) async fn address(
        &self,
        oidc: &Oidc,
        state: &Secret,
        nonce: &Secret,
        verifier: &Secret,
    ) -> Result<Url, Failed> {
        let client = self.client(oidc).await?;
        let (state, nonce) = (state.expose().to_owned(), nonce.expose().to_owned());
        let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
        let (url, ..) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scopes(oidc.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Exchanges the code that a browser brought, and returns whom the ID token names.
    pub(super) async fn person(
        &self,
        oidc: &Oidc,
        code: &str,
        (nonce, verifier): (&Secret, &Secret),
        now: Timestamp,
    ) -> Result<Person, Failed> {
        let client = self.client(oidc).await?;
        let here = is_provider_local(oidc);
        let invalid = |error: &dyn std::error::Error| Failed::Invalid(in_full(error));
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| invalid(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .request_async(&|request| fetch(request, here))
            .await
            .map_err(|error| match &error {
                RequestTokenError::Request(error) => Failed::Unreachable(in_full(error)),
                // What could not be parsed may hold tokens.
                RequestTokenError::Parse(..) => {
                    Failed::Invalid("it is no token response with an ID token".to_owned())
                }
                RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
                    invalid(&error)
                }
            })?;
        let id_token = tokens
            .id_token()
            .ok_or_else(|| Failed::Invalid("there is no ID token in it".to_owned()))?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let nonce = Nonce::new(nonce.expose().to_owned());
        let claims = id_token.claims(&verifier, &nonce).map_err(|error| invalid(&error))?;
        if let Some(why) = is_not_ours(claims, &oidc.client_id, now) {
            return Err(Failed::Invalid(why.to_owned()));
        }
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|error| invalid(&error))?;
            let key = id_token.signing_key(&verifier).map_err(|error| invalid(&error))?;
            let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if hash.map_err(|error| invalid(&error))? != *expected {
                return Err(Failed::Invalid("the access token is another one".to_owned()));
            }
        }
        person(oidc, claims)
    }

    async fn client(&self, oidc: &Oidc) -> Result<OidcClient, Failed> {
        let metadata = self.metadata(oidc).await.map_err(Failed::Unreachable)?;
        let callback = format!("{}sign-in/callback", oidc.public_url);
        let callback =
            RedirectUrl::new(callback).map_err(|error| Failed::Invalid(in_full(&error)))?;
        let secret = oidc.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let client_id = ClientId::new(oidc.client_id.clone());
        Ok(Client::from_provider_metadata(metadata, client_id, secret).set_redirect_uri(callback))
    }

    /// Returns what the provider says of itself, with its keys.
    async fn metadata(&self, oidc: &Oidc) -> Result<CoreProviderMetadata, String> {
        let mut known = self.0.lock().await;
        if let Some(Known { issuer, at, said }) = &*known
            && *issuer == **oidc.issuer
            && at.elapsed() < FRESH
        {
            return said.clone();
        }
        let here = is_provider_local(oidc);
        let fetch = |request| fetch(request, here);
        let said = CoreProviderMetadata::discover_async(oidc.issuer.clone(), &fetch).await;
        let said = said.map_err(|error| in_full(&error)).and_then(|it| checked(it, here));
        *known =
            Some(Known { issuer: oidc.issuer.to_string(), at: Instant::now(), said: said.clone() });
        said
    }
}

/// Returns whether the provider is on this machine.
fn is_provider_local(oidc: &Oidc) -> bool {
    oidc.issuer.url().host_str().is_some_and(is_local)
}

/// Returns whether an address that a provider names is used: one that is encrypted, or, of a provider on this machine, one on
/// this machine. What else listens here is none of another provider's business.
fn is_usable(scheme: &str, host: &str, is_provider_local: bool) -> bool {
    scheme == "https" || (scheme == "http" && is_provider_local && is_local(host))
}

/// Returns what a provider says of itself, if browsers can be sent to where it says.
fn checked(said: CoreProviderMetadata, here: bool) -> Result<CoreProviderMetadata, String> {
    let url = said.authorization_endpoint().url();
    // A name before the host looks like one, and what follows a `#` takes the question with it.
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if is_plain && is_usable(url.scheme(), url.host_str().unwrap_or_default(), here) {
        return Ok(said);
    }
    Err(FetchError::Address(url.to_string()).to_string())
}

/// How far the clock of the provider may be ahead of this one.
const AHEAD: i64 = 5 * 60;

/// Returns why a verified ID token is not for this page, or not yet (OpenID Connect Core 1.0 §3.1.3.7, RFC 7519 §4.1.5).
fn is_not_ours(claims: &Claims, client_id: &str, now: Timestamp) -> Option<&'static str> {
    let latest = now.as_second().saturating_add(AHEAD);
    let not_before = claims.additional_claims().0.get("nbf");
    let begins = not_before.map(|time| time.as_f64().unwrap_or(f64::INFINITY));
    if claims.authorized_party().is_some_and(|party| party.as_str() != client_id) {
        Some("it was made for another client (azp)")
    } else if claims.issue_time().timestamp() > latest
        || begins.is_some_and(|it| it > latest as f64)
    {
        Some("it holds from a later time on: are both clocks right?")
    } else {
        None
    }
}

/// Returns whom a verified ID token names.
fn person(oidc: &Oidc, claims: &Claims) -> Result<Person, Failed> {
    let others = &claims.additional_claims().0;
    let name = match oidc.claim.as_str() {
        "sub" => Some(claims.subject().as_str()),
        "email" => {
            let email = claims.email().map(|email| email.as_str());
            if email.is_some() && claims.email_verified() != Some(true) {
                return Err(Failed::Unverified);
            }
            email
        }
        "preferred_username" => claims.preferred_username().map(|name| name.as_str()),
        other => others.get(other).and_then(Value::as_str),
    };
    let name = name.filter(|name| is_sign_in_name(name));
    let name = name.ok_or_else(|| Failed::Nameless(oidc.claim.clone()))?.to_owned();
    let groups = match others.get(&oidc.groups_claim) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(group)) => vec![group.as_str()],
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => vec![],
    };
    let groups = groups.into_iter().map(str::to_owned).collect();
    Ok(Person { issuer: oidc.issuer.to_string(), name, groups })
}

/// Returns an error with what it comes from.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// Time limit for one request to the provider.
const ANSWER: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const LONGEST: usize = 1024 * 1024;

/// Why a request to the provider failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(
        "`{0}` is no address of a server that is encrypted, or on this machine, like the issuer"
    )]
    Address(String),
    #[error("`{0}` did not answer in time")]
    Late(String),
    #[error("`{0}` cannot be reached: {1}")]
    Unreachable(String, io::Error),
    #[error("`{0}` cannot be reached: {1} (what the unit has to allow stands in docs/http.md)")]
    Beyond(String, io::Error),
    #[error(
        "this system has no certificates of authorities: install ca-certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NoAuthorities,
    #[error("`{0}`: {1}")]
    Broken(String, String),
}

/// Sends a request to the provider. It follows no redirect: an answer may lead nowhere but where it was asked for.
async fn fetch(request: HttpRequest, here: bool) -> Result<HttpResponse, FetchError> {
    let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let answer = timeout(ANSWER, fetch_at_leisure(request, here)).await;
    answer.map_err(|_| FetchError::Late(authority))?
}

async fn fetch_at_leisure(request: HttpRequest, here: bool) -> Result<HttpResponse, FetchError> {
    let uri = request.uri().clone();
    let no_address = || FetchError::Address(uri.to_string());
    let host = uri.host().ok_or_else(no_address)?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let encrypted = uri.scheme_str() == Some("https");
    if !is_usable(uri.scheme_str().unwrap_or_default(), name, here) {
        return Err(no_address());
    }
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let unreachable = |error| {
        let kind = if is_local(name) { FetchError::Unreachable } else { FetchError::Beyond };
        kind(format!("{host}:{port}"), error)
    };
    let stream = TcpStream::connect((name, port)).await.map_err(unreachable)?;
    if !encrypted {
        return exchange(stream, request, &uri).await;
    }
    let server = ServerName::try_from(name.to_owned()).map_err(|_| no_address())?;
    let tls = TlsConnector::from(Arc::new(tls()?));
    exchange(tls.connect(server, stream).await.map_err(unreachable)?, request, &uri).await
}

/// Returns TLS with the authorities of the system, or those that `SSL_CERT_FILE` names.
fn tls() -> Result<ClientConfig, FetchError> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if authorities.is_empty() {
        return Err(FetchError::NoAuthorities);
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Broken("TLS".to_owned(), error.to_string()))?;
    Ok(config.with_root_certificates(authorities).with_no_client_auth())
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: HttpRequest,
    uri: &Uri,
) -> Result<HttpResponse, FetchError> {
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let broken =
        |error: &dyn std::error::Error| FetchError::Broken(authority.clone(), in_full(error));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // It ends with its only request; an error of it is one of the request, too.
    let connection = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    let host = HeaderValue::from_str(&authority).map_err(|error| broken(&error))?;
    parts.headers.insert(HOST, host);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().map_err(|error| broken(&error))?;
    let request = axum::http::Request::from_parts(parts, Body::from(body));
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let (parts, body) = answer.into_parts();
    let body = to_bytes(Body::new(body), LONGEST).await.map_err(|error| broken(&error))?;
    connection.abort();
    Ok(HttpResponse::from_parts(parts, body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_go_to_encrypted_servers_and_to_this_machine_for_a_provider_on_it() {
        for (endpoint, elsewhere, here) in [
            ("https://login.example.org/authorize", true, true),
            ("https://other.example.org/authorize", true, true),
            ("http://login.example.org/authorize", false, false),
            ("http://127.0.0.1:8080/authorize", false, true),
            ("http://[::1]/authorize", false, true),
            ("http://localhost.example.org/", false, false),
            ("https://login.example.org@evil.example/", false, false),
            ("https://:x@evil.example/", false, false),
            ("https://login.example.org/authorize#", false, false),
            ("javascript:alert(1)", false, false),
            ("javascript://localhost/%0aalert(1)", false, false),
            ("data:text/html,x", false, false),
            ("file:///etc/passwd", false, false),
        ] {
            let said = |is_local| {
                let said = serde_json::json!({
                    "issuer": "https://login.example.org",
                    "authorization_endpoint": endpoint,
                    "jwks_uri": "https://login.example.org/keys",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                });
                checked(serde_json::from_value(said).unwrap(), is_local).is_ok()
            };
            assert_eq!([said(false), said(true)], [elsewhere, here], "{endpoint}");
        }
    }

    #[test]
    fn a_token_for_another_client_or_a_later_time_signs_nobody_in() {
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (claim, value, is_ours) in [
            ("azp", serde_json::json!("vestibule"), true),
            ("azp", serde_json::json!("another"), false),
            ("iat", serde_json::json!(1_000_200), true),
            ("iat", serde_json::json!(1_000_400), false),
            ("nbf", serde_json::json!(1_000_200.5), true),
            ("nbf", serde_json::json!(1_000_400), false),
            ("nbf", serde_json::json!(1e300), false),
            ("nbf", serde_json::json!("soon"), false),
        ] {
            let mut claims = serde_json::json!({
                "iss": "https://login.example.org", "aud": "vestibule", "sub": "anna",
                "iat": 1_000_000, "exp": 2_000_000,
            });
            claims[claim] = value;
            let claims: Claims = serde_json::from_value(claims.clone()).unwrap();
            assert_eq!(is_not_ours(&claims, "vestibule", now).is_none(), is_ours, "{claims:?}");
        }
    }

    #[tokio::test]
    async fn nothing_of_this_machine_is_asked_for_a_provider_elsewhere() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let request = axum::http::Request::get(format!("http://{address}/")).body(vec![]).unwrap();
        assert!(matches!(fetch(request, false).await, Err(FetchError::Address(_))));
        let accepted = timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(accepted.is_err(), "nobody connected");
    }
}
