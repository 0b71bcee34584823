// Decides as AWS would whether identity policies allow requests. Standard input: {policies, requests},
// a request being {action, resource, context}; standard output: a list of booleans.
// An action, a resource or a context key that AWS does not know is an error.

import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const ACCOUNT = '123456789012'
const { policies, requests } = JSON.parse(readFileSync(0))
const named = policies.map((policy, index) => ({ name: `policy ${index}`, policy }))

async function allowed({ action, resource, context }) {
  const simulation = {
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:role/anyone`,
      action,
      resource: { resource, accountId: ACCOUNT },
      contextVariables: context
    },
    identityPolicies: named,
    serviceControlPolicies: [],
    resourceControlPolicies: []
  }
  const answer = await runSimulation(simulation, {})
  if (answer.resultType === 'error') throw new Error(JSON.stringify([action, resource, answer.errors]))
  const ignored = answer.result?.ignoredContextKeys ?? []
  if (ignored.length) throw new Error(`${action} on ${resource} has no ${ignored}`)
  return answer.overallResult === 'Allowed'
}

const answers = []
for (const request of requests) answers.push(await allowed(request))
console.log(JSON.stringify(answers))
