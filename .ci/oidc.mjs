// An OIDC server on a free port of this machine. It writes down, as JSON, its issuer and tokens that it gave out: a program's, a
// person's with and without a group, and an ID token. It goes on serving its keys until it is ended.
//
// Usage: oidc.mjs <file of the tokens>
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import Provider from "oidc-provider";

const AUDIENCE = "callvault";
const SCOPES = "calls.read calls.pii recordings.listen";
const CALLBACK = "http://127.0.0.1:9/callback";
const GROUPS = { ada: ["leads"], bob: [] };

const server = http.createServer();
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const key = (type, options, alg) => ({
  ...crypto.generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  kid: `${alg}-key`,
  alg,
  use: "sig",
});
const resource = (algorithm) => ({
  scope: SCOPES,
  audience: AUDIENCE,
  accessTokenTTL: 600,
  accessTokenFormat: "jwt",
  jwt: { sign: { alg: algorithm } },
});
const provider = new Provider(issuer, {
  jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
  clients: [
    {
      client_id: "program",
      client_secret: "program-secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
    {
      client_id: "console",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"],
      redirect_uris: [CALLBACK],
      application_type: "native",
    },
  ],
  scopes: ["openid", ...SCOPES.split(" ")],
  cookies: { keys: ["not a secret"] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:callvault:rs256",
      useGrantedResource: () => true,
      getResourceServerInfo: (_, name) => resource(name.endsWith("es256") ? "ES256" : "RS256"),
    },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: (_, token) => (token.accountId ? { groups: GROUPS[token.accountId] } : undefined),
});

// Whoever comes to sign in is who their login hint says, and agrees to all.
const handler = provider.callback();
server.on("request", async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return handler(request, response);
  const { params } = await provider.interactionDetails(request, response);
  const accountId = params.login_hint;
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(`openid ${SCOPES}`);
  grant.addResourceScope("urn:callvault:rs256", SCOPES);
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
});

async function token(form, headers = {}) {
  const answer = await fetch(`${issuer}/token`, { method: "POST", headers, body: new URLSearchParams(form) });
  const tokens = await answer.json();
  if (!answer.ok) throw new Error(JSON.stringify(tokens));
  return tokens;
}

async function signIn(name, scope) {
  const verifier = crypto.randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    client_id: "console",
    response_type: "code",
    redirect_uri: CALLBACK,
    scope: `openid ${scope}`.trim(),
    login_hint: name,
    nonce: "a nonce",
    code_challenge: crypto.createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  const cookies = new Map();
  let place = `${issuer}/auth?${query}`;
  for (let hops = 0; !place.startsWith(CALLBACK); hops += 1) {
    if (hops === 20) throw new Error(`in circles at ${place}`);
    const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join("; ");
    const answer = await fetch(place, { redirect: "manual", headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, key, value] = set.match(/^([^=]+)=([^;]*)/);
      if (value) cookies.set(key, value);
      else cookies.delete(key);
    }
    if (!answer.headers.get("location")) throw new Error(`${answer.status} ${await answer.text()}`);
    place = new URL(answer.headers.get("location"), issuer).href;
  }
  const code = new URL(place).searchParams.get("code");
  if (!code) throw new Error(place);
  return token({ grant_type: "authorization_code", client_id: "console", code, redirect_uri: CALLBACK, code_verifier: verifier });
}

const basic = { authorization: `Basic ${Buffer.from("program:program-secret").toString("base64")}` };
const machine = (algorithm) =>
  token({ grant_type: "client_credentials", scope: "calls.read recordings.listen", resource: `urn:callvault:${algorithm}` }, basic);
const lead = await signIn("ada", "");
const tokens = {
  issuer,
  machine_rs256: (await machine("rs256")).access_token,
  machine_es256: (await machine("es256")).access_token,
  lead: lead.access_token,
  lead_cut: (await signIn("ada", "calls.read")).access_token,
  nobody: (await signIn("bob", SCOPES)).access_token,
  id_token: lead.id_token,
};
fs.writeFileSync(process.argv[2], JSON.stringify(tokens));
