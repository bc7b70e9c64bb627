//! Whether a token is one of ours, and holds.

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};

use super::{
    super::{Refused, identity::KeyMark},
    claims::{Claims, LEEWAY},
    crypto,
    keys::Keys,
};

/// Reads a token that one of `keys` made for `audience`, and says which.
pub(super) fn verify(token: &str, keys: &Keys, audience: Option<&str>) -> Result<(Claims, KeyMark), Refused> {
    crypto::install();
    // A header that names no algorithm of JWTs, `none` among them, is none.
    let header = decode_header(token).map_err(|error| refused(error.kind()))?;
    if header.crit.is_some() {
        return Err(Refused::Malformed("it has an extension that must be understood and is not (crit)".into()));
    }
    let key = keys.find(header.kid.as_deref())?;
    // What is tried is the key's own algorithm, whatever the token says.
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    match audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "sub", "aud"]);
        }
        // A token that is for somebody in particular is not for one who is nobody (RFC 7519 section 4.1.3).
        None => validation.set_required_spec_claims(&["exp", "sub"]),
    }
    decode::<Claims>(token, &key.decoding, &validation).map(|data| (data.claims, key.mark)).map_err(|error| refused(error.kind()))
}

/// What is told of it: never what stands in the token.
pub(super) fn refused(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYet,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) => Refused::Malformed(format!("it has no {claim}").into()),
        ErrorKind::InvalidClaimFormat(claim) => Refused::Malformed(format!("its {claim} is not a number of seconds").into()),
        ErrorKind::InvalidAlgorithm => Refused::Malformed("its alg is not that of its key".into()),
        ErrorKind::Json(_) => Refused::Malformed("its header or a claim is not of the right form, or its alg is none that is known".into()),
        _ => Refused::Malformed("it is not a JWT".into()),
    }
}
