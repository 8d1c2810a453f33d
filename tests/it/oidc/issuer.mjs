// A real issuer of OpenID Connect (oidc-provider) on loopback, whose people sign in without a page. Prints its own
// address as the first line; takes one JSON line after the other on stdin and answers each with `{}`:
//   {"redirect": URL, "alg": "RS256"}       the one relying party, and how its tokens are signed
//   {"person": {"sub": …, "email": …, …}}   who signs in from now on
//   {"lie": "…"}                            what is wrong with the tokens from now on; "" for nothing
// Arguments: the folder of the packages.
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
// The package tells what it would have set up in production, on stdout too: those lines are for the answers.
const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
for (const kind of ["log", "info", "warn"]) console[kind] = () => {};
const require = createRequire(`${folder}/package.json`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);
const { CompactSign, importJWK } = await import(pathToFileURL(require.resolve("jose")).href);

const CLIENT = "portcullis";
const SECRET = "a secret: of the + relying party";
const jwk = (kind, options, kid) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
  kid,
  use: "sig",
});
const keys = [
  jwk("rsa", { modulusLength: 2048 }, "rsa"),
  jwk("ec", { namedCurve: "P-256" }, "ec"),
  jwk("ed25519", {}, "ed"),
];
const stranger = jwk("ec", { namedCurve: "P-256" }, "ec");
const fresh = () => ({ person: { sub: "1" }, lie: "", seen: undefined });
let state = { ...fresh(), provider: undefined };

const base64url = (text) => Buffer.from(text).toString("base64url");
const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const headOf = (token) => JSON.parse(Buffer.from(token.split(".")[0], "base64url"));

/** The token with other claims, signed with a key of the issuer. */
async function signedAnew(token, change) {
  const { alg, kid } = headOf(token);
  const claims = { ...claimsOf(token), ...change };
  const key = await importJWK(keys.find((key) => key.kid === kid), alg);
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg, kid }).sign(key);
}

async function signedBy(key, token) {
  const body = Buffer.from(JSON.stringify(claimsOf(token)));
  return new CompactSign(body).setProtectedHeader({ alg: "ES256", kid: key.kid }).sign(await importJWK(key, "ES256"));
}

const now = () => Math.floor(Date.now() / 1000);
const LIES = {
  issuer: (token) => signedAnew(token, { iss: "https://elsewhere.invalid" }),
  audience: (token) => signedAnew(token, { aud: "another relying party" }),
  audiences: (token) => signedAnew(token, { aud: [CLIENT, "another"], azp: "another" }),
  expired: (token) => signedAnew(token, { iat: now() - 7_200, exp: now() - 3_600 }),
  future: (token) => signedAnew(token, { iat: now() + 3_600, exp: now() + 7_200 }),
  nonce: (token) => signedAnew(token, { nonce: "of another sign-in" }),
  "no nonce": (token) => signedAnew(token, { nonce: undefined }),
  none: (token) => `${base64url('{"alg":"none"}')}.${token.split(".")[1]}.`,
  unsigned: (token) => `${token.split(".").slice(0, 2).join(".")}.`,
  stranger: (token) => signedBy(stranger, token),
  // The public key is no secret: signing with it as one must not do.
  HS256: (token) => {
    const pem = createPublicKey({ key: keys[0], format: "jwk" }).export({ type: "spki", format: "pem" });
    const signed = `${base64url('{"alg":"HS256","kid":"rsa"}')}.${token.split(".")[1]}`;
    return `${signed}.${createHmac("sha256", pem).update(signed).digest("base64url")}`;
  },
  "key inside": async (token) => {
    const { d, ...open } = stranger;
    const body = Buffer.from(JSON.stringify(claimsOf(token)));
    const head = { alg: "ES256", jwk: open };
    return new CompactSign(body).setProtectedHeader(head).sign(await importJWK(stranger, "ES256"));
  },
  replayed: (token) => {
    state.seen ??= token;
    return state.seen;
  },
};

function provider(issuer, { redirect, alg }) {
  const made = new Provider(issuer, {
    clients: [{
      client_id: CLIENT,
      client_secret: SECRET,
      redirect_uris: [redirect],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      id_token_signed_response_alg: alg,
    }],
    jwks: { keys },
    cookies: { keys: ["of this test alone"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/who/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ ...state.person, sub }) }),
    loadExistingGrant: async (context) => {
      const grant = new context.oidc.provider.Grant({ clientId: CLIENT, accountId: context.oidc.session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
  });
  made.use(async (context, next) => {
    if (context.path.startsWith("/who/")) {
      // Whoever is to sign in does, without a page.
      const result = { login: { accountId: state.person.sub } };
      await made.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
      context.respond = false;
      return;
    }
    await next();
    if (context.path === "/token" && context.body?.id_token && LIES[state.lie]) {
      context.body.id_token = await LIES[state.lie](context.body.id_token);
    }
  });
  return made.callback();
}

const server = createServer((request, response) => {
  if (state.provider) return state.provider(request, response);
  response.writeHead(503).end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
answer({ issuer, client: CLIENT, secret: SECRET });

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.redirect) state = { ...fresh(), provider: provider(issuer, told) };
  if (told.person) state.person = told.person;
  if (told.lie !== undefined) {
    state.lie = told.lie;
    if (told.lie && !LIES[told.lie]) throw new Error(`there is no lie ${told.lie}`);
    if (!told.lie) state.seen = undefined;
  }
  answer({});
}
server.close();
process.exit(0);
