// Renders the "Mentioned tokens" box of one article as HTML, over the JSON face: no generated code, no packages.
//
//     npx tsx examples/typescript/mentioned-tokens.ts http://127.0.0.1:8080 'Bitcoin slips as $ETH holds'

interface Quote {
  state: string;
  reason?: string;
  price?: string;
  change_24h_pct?: number;
}

interface Mention {
  name: string;
  symbol?: string;
  quote?: Quote;
}

const escape = (text: string) =>
  text.replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] ?? char);

function row({ name, symbol, quote }: Mention): string {
  const label = escape(symbol ? `$${symbol}` : name);
  if (!quote) return `  <li>${label}</li>`;
  if (quote.price === undefined) return `  <li>${label} <i>${escape(quote.reason ?? "no price")}</i></li>`;
  // A missing change is unknown, not zero.
  const pct = quote.change_24h_pct;
  const change = pct === undefined ? "" : ` ${pct < 0 ? "" : "+"}${pct.toFixed(1)}%`;
  return `  <li>${label} $${escape(quote.price)}${change}</li>`;
}

async function main(): Promise<void> {
  const [server = "http://127.0.0.1:8080", title = "Bitcoin slips as $ETH holds"] = process.argv.slice(2);
  const answer = await fetch(`${server}/v1/tag`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    // A page that can wait a little gets a price for tokens that nobody asked about before.
    body: JSON.stringify({ document: { title }, options: { quote_wait_ms: 1000 } }),
    signal: AbortSignal.timeout(5000),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error.code}: ${body.error.message}`);
  console.log(`<section><h2>Mentioned tokens</h2><ul>`);
  for (const mention of body.mentions as Mention[]) console.log(row(mention));
  console.log(`</ul></section>`);
}

main().catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
