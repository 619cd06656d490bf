// SPDX-License-Identifier: Apache-2.0
// Problem details: the statuses of all causes, the members, and what a failed operation tells.
#include "api/http/problem.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "tests/catch2.hpp"

namespace devbindd::problem_test {

namespace {

using namespace devbindd;
using nlohmann::json;
using sysfs::ErrorCode;

api::Request request() {
  api::Request request;
  request.id = "00000000-0000-4000-8000-000000000000";
  return request;
}

json body(const api::Response& response) { return json::parse(response.body); }

handoff::Operation failed_operation(ErrorCode code, bool restored) {
  handoff::Operation operation;
  operation.id = "11111111-1111-4111-8111-111111111111";
  operation.state = handoff::OperationState::Failed;
  operation.error = handoff::OperationError{.error = {code, "the write failed", 5},
                                            .step = std::nullopt,
                                            .meaning = "It means something",
                                            .next_step = "",
                                            .restored = restored,
                                            .undo_failures = {"undo"},
                                            .kernel_log = {},
                                            .kernel_log_readable = false};
  return operation;
}

}  // namespace

TEST_CASE("every cause has a status and a name of its own", "[api][problem]") {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::Kernel); ++code) {
    const auto cause = static_cast<ErrorCode>(code);
    const int status = api::status_of(cause);
    INFO(sysfs::name_of(cause));
    CHECK((status == 400 || status == 403 || status == 404 || status == 409 || status == 412 || status == 429 ||
           status == 500 || status == 503));
    CHECK(names.insert(sysfs::name_of(cause)).second);
  }
}

TEST_CASE("a problem has the members of RFC 9457 and a code", "[api][problem]") {
  const auto response = api::problem(request(), 404, "not_found", "nothing here");
  CHECK(response.content_type == "application/problem+json");
  CHECK(body(response) == json({{"type", "urn:devbindd:problem:not_found"},
                                {"title", "Not Found"},
                                {"status", 404},
                                {"code", "not_found"},
                                {"detail", "nothing here"},
                                {"instance", "urn:uuid:00000000-0000-4000-8000-000000000000"}}));
}

TEST_CASE("a 503 says when to try again", "[api][problem]") {
  const auto response = api::problem_of(request(), sysfs::Error{ErrorCode::TooBusy, "busy"});
  CHECK(response.status == 503);
  CHECK(response.headers == std::vector<std::pair<std::string, std::string>>{{"Retry-After", "1"}});
  CHECK(api::problem(request(), 500, "kernel_error", "x").headers.empty());
}

TEST_CASE("a system call's error has its errno and path", "[api][problem]") {
  const auto document = body(api::problem_of(request(), sysfs::Error{ErrorCode::Kernel, "cannot read", 5, "/sys/x"}));
  CHECK(document["errno"] == "EIO");
  CHECK(document["path"] == "/sys/x");
  CHECK_FALSE(body(api::problem_of(request(), sysfs::Error{ErrorCode::DeviceNotFound, "x"})).contains("errno"));
}

TEST_CASE("bytes that are no UTF-8 do not stop an answer", "[api][problem]") {
  CHECK(body(api::problem(request(), 500, "kernel_error", "\xff"))["detail"] == "\xef\xbf\xbd");
}

TEST_CASE("a refusal lists what says no", "[api][problem]") {
  handoff::Refusal refusal{.error = {ErrorCode::Refused, "no"}, .evidence = {{.code = "vfio.open"}}, .operation = {}};
  const auto document = body(api::problem_of(request(), refusal));
  CHECK(document["blockers"][0]["code"] == "vfio.open");
  CHECK_FALSE(document.contains("operation"));
  handoff::Refusal busy{.error = {ErrorCode::OperationInProgress, "wait"}, .evidence = {}, .operation = "abc"};
  CHECK(body(api::problem_of(request(), busy))["operation"] == "/v1/operations/abc");
  CHECK_FALSE(body(api::problem_of(request(), busy)).contains("blockers"));
}

TEST_CASE("a failed operation tells whether the earlier state is back", "[api][problem]") {
  const auto undone = api::problem_of_operation(request(), failed_operation(ErrorCode::BindFailed, true));
  CHECK(undone.status == 409);
  CHECK(body(undone)["code"] == "bind_failed");
  CHECK(body(undone)["errno"] == "EIO");
  CHECK(body(undone)["kernel_log"].is_null());
  CHECK(body(undone)["detail"].get<std::string>().ends_with("is back"));
  CHECK(body(undone)["operation"] == "/v1/operations/11111111-1111-4111-8111-111111111111");
  const auto broken = api::problem_of_operation(request(), failed_operation(ErrorCode::RestoreFailed, false));
  CHECK(broken.status == 500);
  CHECK(body(broken)["restored"] == false);
  CHECK(body(broken)["detail"].get<std::string>().ends_with("could not be brought back"));
}

TEST_CASE("a wrong request is told where", "[api][problem]") {
  const auto document = body(api::bad_request(request(), "unknown_field", "/x", "no x here"));
  CHECK(document["status"] == 400);
  CHECK(document["errors"] == json::array({{{"code", "unknown_field"}, {"pointer", "/x"}, {"detail", "no x here"}}}));
}

}  // namespace devbindd::problem_test
