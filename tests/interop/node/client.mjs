// Calls a running server with Node's grpc-js: unary, batch, stream, deadline, error details.
//
//     node client.mjs HOST:PORT PROTO-FOLDER

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [addr, protos] = process.argv.slice(2);
const definition = loadSync("cointag/v1/tagger.proto", { includeDirs: [protos], keepCase: true, enums: String });
const { TaggerService } = grpc.loadPackageDefinition(definition).cointag.v1;
const client = new TaggerService(addr, grpc.credentials.createInsecure());

function check(what, condition, got) {
  if (!condition) {
    console.error(`FAILED: ${what}: ${JSON.stringify(got)}`);
    process.exit(1);
  }
  console.log(`ok: ${what}`);
}

const call = (method, request, deadlineMs = 30_000) =>
  new Promise((resolve) =>
    client[method](request, { deadline: Date.now() + deadlineMs }, (error, answer) => resolve({ error, answer })),
  );

const tag = await call("Tag", { document: { title: "Bitcoin slips — 😀 ETH" }, options: { offset_unit: "OFFSET_UNIT_UTF16" } });
const [first] = tag.answer.mentions;
check("Tag finds bitcoin", first.token_id === "bitcoin", tag);
check("span slices a JavaScript string", "Bitcoin slips".slice(first.spans[0].start, first.spans[0].end) === "Bitcoin", first);

const batch = await call("BatchTag", { documents: [{ title: "Ethereum" }, { title: "Bitcoin" }] });
const ids = batch.answer.results.map((result) => result.response.mentions[0].token_id);
check("BatchTag answers in order", ids.join() === "ethereum,bitcoin", batch);

const wrong = await call("Tag", { document: {}, options: { min_confidence: 2 } });
check("a wrong option is INVALID_ARGUMENT", wrong.error?.code === grpc.status.INVALID_ARGUMENT, wrong);
check("with details", wrong.error.metadata.get("grpc-status-details-bin").length === 1, wrong);

const stream = client.TagStream();
const answers = [];
stream.on("data", (answer) => answers.push(answer));
const ended = new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
for (const [item_id, title] of [["a", "Bitcoin"], ["b", "Ethereum"], ["c", "nothing"]]) {
  stream.write({ item_id, document: { title } });
}
stream.end();
await ended;
check("TagStream answers each item in order", answers.map((answer) => answer.item_id).join() === "a,b,c", answers);

const endless = client.TagStream({ deadline: Date.now() + 200 });
endless.on("data", () => {});
const code = await new Promise((resolve) => endless.on("error", (error) => resolve(error.code)));
check("a stream ends at its deadline", code === grpc.status.DEADLINE_EXCEEDED, code);
client.close();
