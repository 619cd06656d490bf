// SPDX-License-Identifier: Apache-2.0
// A client in TypeScript: api.ts is what openapi-typescript makes of the contract, openapi-fetch asks by it, undici knows Unix sockets. Every
// path, parameter, body and answer here is checked against the contract when this is compiled.
import { randomUUID } from "node:crypto";

import createClient from "openapi-fetch";
import { Agent, fetch as fetchBy } from "undici";

import type { paths } from "./api.js";

type Json = "application/json" | "application/problem+json"; // of what has a form for people, too

function clientOf(socket: string) {
  const dispatcher = new Agent({ connect: { socketPath: socket } });
  const ask = async (request: Request): Promise<Response> => {
    const body = request.body === null ? null : await request.text();
    const answer = await fetchBy(request.url, { method: request.method, headers: [...request.headers], body, dispatcher });
    return new Response(answer.status === 204 ? null : await answer.text(), { status: answer.status, headers: [...answer.headers] });
  };
  return { api: createClient<paths, Json>({ baseUrl: "http://localhost", fetch: ask }), end: () => dispatcher.close() };
}

function demand<T>(answer: { data?: T | undefined; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function listClaimRelease(socket: string): Promise<void> {
  const { api, end } = clientOf(socket);
  const devices = demand(await api.GET("/v1/devices", { params: { query: { driver: ["e1000e"] } } }));
  console.log("devices", devices.items.map((device) => device.address).join(","));

  const claim = demand(await api.POST("/v1/claims", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { devices: ["0000:20:00.0"], ttl_seconds: 300, labels: { made_by: "typescript" } },
  }));
  if (!("id" in claim)) throw new Error("a preview was answered");
  for (const device of claim.devices) console.log("claim", claim.state, device.address, device.driver, device.nodes.group?.path ?? "-");
  const held = demand(await api.GET("/v1/claims", { params: { query: { device: ["0000:20:00.0"] } } }));
  console.log("held", held.items.some((one) => one.id === claim.id), held.items.find((one) => one.id === claim.id)?.labels["made_by"]);

  const refused = await api.PUT("/v1/devices/{bdf}/binding", { params: { path: { bdf: "0000:06:00.0" } }, body: { driver: "vfio-pci" } });
  const problem = refused.error;
  if (problem === undefined) throw new Error("it was not refused");
  console.log("refused", refused.response.status, problem.code, problem.blockers?.map((blocker) => blocker.code).join(","));

  const released = demand(await api.DELETE("/v1/claims/{id}", { params: { path: { id: claim.id } } }));
  console.log("released", "state" in released ? released.state : "-");
  await end();
}

await listClaimRelease(process.argv[2] ?? "/run/devbindd/devbindd.sock");
