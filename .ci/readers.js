// Reads every item back by JavaScript's DynamoDBDocumentClient, with its default options, and compares the numbers with those that were
// pushed.
//
// Usage: readers.js <DynamoDB's endpoint> <table> <file of the numbers, by call>
const assert = require("node:assert");
const fs = require("node:fs");
const { DynamoDBClient } = require("@aws-sdk/client-dynamodb");
const { DynamoDBDocumentClient, paginateScan } = require("@aws-sdk/lib-dynamodb");

async function main(endpoint, table, file) {
  const numbers = JSON.parse(fs.readFileSync(file, "utf8"));
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint }));
  // serde_json writes the sign of an exponent.
  const same = (text) => text.toLowerCase().replace("e+", "e");
  const kinds = { number: 0, bigint: 0, string: 0 };
  let calls = 0;
  for await (const page of paginateScan({ client }, { TableName: table })) {
    for (const item of page.Items.filter((item) => item.sk === "call")) {
      calls += 1;
      const its = numbers[item.call_id];
      const kept = item.extra["alicom-call-report"].new;
      assert.strictEqual(kept.length, its.length);
      kept.forEach((value, at) => {
        kinds[typeof value] += 1;
        if (typeof value === "string") assert.strictEqual(same(value), same(its[at]));
        else assert.strictEqual(Number(value), Number(its[at]) + 0, `${its[at]} became ${value}`);
      });
    }
  }
  assert.strictEqual(calls, Object.keys(numbers).length);
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > 50, `${count} of type ${kind}`);
  console.error("DynamoDBDocumentClient reads", kinds);
}

main(...process.argv.slice(2));
