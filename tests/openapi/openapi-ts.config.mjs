// How @hey-api/openapi-ts makes a client: with Zod schemas, which check every response.
export default {
  input: process.env.DESCRIPTION,
  output: { path: process.env.CLIENT, importFileExtension: ".js" },
  logs: { file: false },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "zod", { name: "@hey-api/sdk", validator: true }],
};
