// Serve @supabase/stripe-sync-engine behind Fastify: `node engine.cjs DATABASE_URL SECRET`.
// Prints the URL for webhooks. CommonJS, because the engine finds its migrations only there.
const { runMigrations, StripeSync } = require('@supabase/stripe-sync-engine')
const fastify = require('fastify')

async function main([databaseUrl, secret]) {
  await runMigrations({ databaseUrl, schema: 'stripe' })
  const sync = new StripeSync({
    poolConfig: { connectionString: databaseUrl, max: 10 },
    stripeSecretKey: 'sk_test_unused',
    stripeWebhookSecret: secret,
  })
  const app = fastify()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) =>
    done(null, body),
  )
  app.post('/webhooks', async (request, reply) => {
    await sync.processWebhook(request.body, request.headers['stripe-signature'])
    return reply.send({ received: true })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  console.log(`http://127.0.0.1:${app.server.address().port}/webhooks`)
}

main(process.argv.slice(2))
