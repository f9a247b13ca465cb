//! `Patient/$summary`, <https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html>: the International Patient Summary that a
//! referral carries, made now.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::super::Api;
use super::super::read::unknown;
use super::super::respond::{gone, value_response};
use super::parameters::Asked;
use crate::access::permit::{Permission, check};
use crate::documents::{self, OwnIds};
use crate::ids;
use crate::referral::party::Party;
use crate::server::problem::Problem;
use crate::web::bearer::Bearer;

/// `GET` or `POST /fhir/Patient/{id}/$summary`; headings in the language of `Accept-Language`, if it is one of the three.
pub(super) async fn summary(
    Bearer(staff): Bearer,
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Problem> {
    check(&staff, Permission::ReadRecord)?;
    asked.only(&[])?;
    let (here, patient) = (api.here.clone(), id.clone());
    let (last, gathered) = api
        .here
        .store
        .read(move |view| {
            let gathered = documents::gather(view, &here.meaning(), &patient)?;
            Ok::<_, crate::store::StoreError>((view.last_version("Patient", &patient)?, gathered))
        })
        .await?;
    let name = format!("Patient/{id}");
    let Some(gathered) = gathered else {
        return last.filter(|last| last.is_deletion()).map(|last| gone(&last)).ok_or_else(|| unknown(&name));
    };
    let language = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("en");
    let author = Party::here(&api.here.config).organization();
    let mut own = OwnIds::new(&ids::fresh());
    let summary = documents::ips(&gathered, &mut own, &author, &api.here.now(), language);
    Ok(value_response(StatusCode::OK, &summary.bundle))
}
