// What somebody writes who uses the client with types that is generated from the credit model's document.
// Compiled with all checks: each `@ts-expect-error` is an error where the compiler finds none.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/schema.js";

type Row = components["schemas"]["Row"];
type Problem = components["schemas"]["Problem"];

export const row: Row = {
  installment_rate_in_percentage_of_disposable_income: 0.25,
  age_in_years: 30,
  foreign_worker: "yes",
  present_employment_since: "unemployed",
  personal_status_and_sex: "male: single",
};

export async function decide(url: string): Promise<"ACCEPT" | "DECLINE"> {
  const client = createClient<paths>({ baseUrl: url });
  const { data, error } = await client.POST("/decisions", { body: row });
  if (error !== undefined) {
    throw new Error(error.detail);
  }
  if (Array.isArray(data)) {
    throw new Error("one row is answered with an array");
  }
  return data.decision;
}

export async function predict(url: string): Promise<(number | string)[]> {
  const client = createClient<paths>({ baseUrl: url });
  const query = { include: ["probability" as const, "decision" as const] };
  const body = [row, { ...row, age_in_years: 17 }];
  const { data, error } = await client.POST("/predictions", { body, params: { query } });
  if (error !== undefined || !Array.isArray(data)) {
    throw new Error(error?.detail ?? "an array is answered with one object");
  }
  return data.map((answer) => ("detail" in answer ? answer.detail : answer.probability ?? "no probability"));
}

export async function refuse(url: string): Promise<{ status: number; problem: Problem }> {
  const client = createClient<paths>({ baseUrl: url });
  const { error, response } = await client.POST("/probabilities", { body: { ...row, age_in_years: 17 } });
  if (error === undefined) {
    throw new Error("a wrong age is answered");
  }
  return { status: response.status, problem: error };
}

export async function infer(url: string): Promise<(number | string)[]> {
  // Without the media types, answers could be those with binary tensors as well.
  const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: url });
  const { data, error } = await client.POST("/v2/models/credit/infer", {
    body: {
      inputs: [
        { name: "installment_rate_in_percentage_of_disposable_income", datatype: "FP64", shape: [1, 1], data: [0.25] },
        { name: "age_in_years", datatype: "INT64", shape: [1, 1], data: [30] },
        { name: "foreign_worker", datatype: "BYTES", shape: [1, 1], data: ["yes"] },
        { name: "present_employment_since", datatype: "BYTES", shape: [1, 1], data: ["unemployed"] },
        { name: "personal_status_and_sex", datatype: "BYTES", shape: [1, 1], data: ["male: single"] },
      ],
      outputs: [{ name: "decision" }],
    },
  });
  if (error !== undefined) {
    throw new Error(error.error);
  }
  return data.outputs.flatMap((output) => output.data ?? []);
}

/** Never called: the compiler must refuse each of these. */
export async function mistakes(url: string): Promise<void> {
  const client = createClient<paths>({ baseUrl: url });
  // @ts-expect-error there is no such path
  await client.POST("/decision", { body: row });
  // @ts-expect-error the path takes no GET
  await client.GET("/decisions");
  // @ts-expect-error members are missing
  await client.POST("/decisions", { body: { age_in_years: 30 } });
  // @ts-expect-error the member is not there
  await client.POST("/decisions", { body: { ...row, age: 30 } satisfies Row });
  // @ts-expect-error it is no such category
  await client.POST("/decisions", { body: { ...row, foreign_worker: "maybe" } });
  // @ts-expect-error it is a number
  await client.POST("/decisions", { body: { ...row, age_in_years: "30" } });
  // @ts-expect-error there is no such member of the answer
  await client.POST("/predictions", { body: row, params: { query: { include: ["verdict"] } } });
}
