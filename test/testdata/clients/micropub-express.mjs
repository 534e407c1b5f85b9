// A resource server made with micropub-express: posts with a good, a bad and
// no token. It parses form answers only and sends a form Content-Type on GET (G15).
import express from 'express'
import micropub from 'micropub-express'

const { BASE, TOKEN, ME } = process.env
const posted = []
const app = express()
app.use('/micropub', micropub({
  tokenReference: { me: ME, endpoint: BASE },
  handler: async (data) => { posted.push(data); return { url: 'https://you.example/1' } },
}))
const server = app.listen(0, '127.0.0.1', async () => {
  const post = (token) => fetch(`http://127.0.0.1:${server.address().port}/micropub`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...(token && { Authorization: 'Bearer ' + token }) },
    body: 'h=entry&content=hello',
  })
  const results = [(await post(TOKEN)).status, (await post(TOKEN.slice(0, -1) + '!')).status, (await post('')).status]
  console.log(JSON.stringify({ results, posted: posted.length }))
  process.exit(results[0] === 201 && results[1] >= 400 && results[2] >= 400 && posted.length === 1 ? 0 : 1)
})
