// SPDX-License-Identifier: Apache-2.0
// A client that makes a claim and takes it over, as a program in TypeScript would: it must compile with what a generator makes of
// the contract, and say nothing that the contract does not demand.
import type { components, paths } from "./api";

type Claim = components["schemas"]["Claim"];
type ClaimRequest = paths["/v1/claims"]["post"]["requestBody"]["content"]["application/json"];
type Problem = components["schemas"]["Problem"];

async function claimOne(base: string): Promise<Claim> {
  const wanted: ClaimRequest = { selector: { vendor: "8086", device: "10d3" }, owner: { users: ["qemu"] } };
  const answer = await fetch(`${base}/v1/claims`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
    body: JSON.stringify(wanted),
  });
  if (!answer.ok) {
    const problem = (await answer.json()) as Problem;
    throw new Error(`${problem.code}: ${problem.detail}`);
  }
  return (await answer.json()) as Claim;
}

async function argumentsOfQemu(base: string): Promise<string[]> {
  const claim = await claimOne(base);
  for (const device of claim.devices) console.log(device.address, device.nodes.group?.path ?? "no group node");
  const handover = await fetch(`${base}/v1/claims/${claim.id}/handover?format=qemu`);
  return ((await handover.json()) as { arguments: string[] }).arguments;
}

export { argumentsOfQemu };
