import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertAccessible, launch, looks, screenshot, serve } from './support.mjs'

const password = 'correct horse battery'
const languages = { en: 'en-GB', ko: 'ko-KR' }

let browser
let server

before(async () => {
  browser = await launch()
  server = await serve({ SERVER_TITLE: 'Example Login', THROTTLE: 'off' })
  await server.run(['user', 'add', 'ada', '--password-stdin'], password)
})

after(async () => {
  await browser?.close()
  await server?.stop()
})

/** Opens a page in a browser of its own, and closes it after `work`. */
async function visit(options, work) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  try {
    await work(page, context)
  } finally {
    await context.close()
  }
  // A navigation that answers with an error is told too; what the policy blocks is a fault.
  const blocked = complaints.filter((text) => !text.startsWith('Failed to load resource'))
  assert.deepEqual(blocked, [])
}

async function register(page, name, query = '') {
  await page.goto(`${server.url}/?show=register${query}`)
  await page.getByLabel('Username').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
}

async function logIn(page, name, path = '/') {
  await page.goto(server.url + path)
  await page.getByLabel('Username').fill(name)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Logs Ada in with another device, so that the page has a session to end. */
async function logInElsewhere() {
  const userAgent =
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36'
  const response = await fetch(`${server.url}/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'User-Agent': userAgent },
    body: JSON.stringify({ username: 'ada', password }),
  })
  assert.equal(response.status, 200)
}

const names = async (context) => (await context.cookies()).map((cookie) => cookie.name)
const focused = (page) => page.locator('*:focus').getAttribute('id')

/** Fails if something that a finger has to hit is too small, or a text that zooms in the page of an iPhone. */
async function assertTouchable(page) {
  const small = await page.evaluate(() => {
    const all = [...document.querySelectorAll('button, a, input:not([type=hidden], [type=checkbox]), label.check')]
    return all
      .filter((found) => found.checkVisibility())
      .filter((found) => found.getBoundingClientRect().height < 44 && !found.closest('[role=alert]'))
      .map((found) => found.outerHTML)
  })
  assert.deepEqual(small, [])
  const sizes = await page
    .locator('.field input')
    .evaluateAll((all) => all.map((input) => parseFloat(getComputedStyle(input).fontSize)))
  assert.ok(sizes.every((size) => size >= 16), sizes.join())
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.equal(wider, 0, 'the page is as wide as the screen')
}

/** The way to each state of the page, in a browser that has been in those before. */
const states = {
  login: (page) => page.goto(server.url),
  'login-failed': async (page) => {
    await page.goto(`${server.url}/?next=/account`)
    await page.locator('#username').fill('ada')
    await page.locator('#password').fill('wrong')
    await page.locator('main button').click()
    await page.getByRole('alert').waitFor()
  },
  register: (page) => page.goto(`${server.url}/?show=register`),
  'register-failed': async (page) => {
    await page.goto(`${server.url}/?show=register`)
    await page.locator('#username').fill('grace')
    await page.locator('#password').fill('short')
    await page.locator('main button').click()
    await page.getByRole('alert').waitFor()
  },
  'not-found': (page) => page.goto(`${server.url}/nowhere`),
  account: async (page) => {
    await page.goto(server.url)
    await page.locator('#username').fill('ada')
    await page.locator('#password').fill(password)
    await page.locator('main button').click()
    await page.locator('.sessions').waitFor()
  },
  continue: (page) => page.goto(`${server.url}/?next=/.well-known/jwks.json`),
  password: (page) => page.goto(`${server.url}/?show=password`),
  'password-failed': async (page) => {
    await page.locator('#current_password').fill('wrong')
    await page.locator('#new_password').fill('several other words')
    await page.locator('main button').click()
    await page.getByRole('alert').waitFor()
  },
  ended: async (page) => {
    await page.goto(server.url)
    await page.locator('button[value=others]').click()
    await page.getByRole('status').waitFor()
  },
  'logged-out': async (page) => {
    await page.locator('form[action="/page/logout"] button').click()
    await page.getByRole('status').waitFor()
  },
}

for (const look of looks) {
  for (const [language, locale] of Object.entries(languages)) {
    test(`every state of the page is accessible (${look.name}, ${language})`, async () => {
      await logInElsewhere()
      await visit({ ...look, locale }, async (page) => {
        for (const [state, open] of Object.entries(states)) {
          await open(page)
          assert.equal(await page.locator('html').getAttribute('lang'), language)
          await assertAccessible(page)
          await assertTouchable(page)
          await screenshot(page, `${state}-${look.name}-${language}`)
        }
      })
    })
  }
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? 'with' : 'without'

  test(`a person registers, logs out and logs in again (${how} scripts)`, async () => {
    const name = `grace-${how}`
    await visit({ javaScriptEnabled }, async (page, context) => {
      await page.goto(server.url)
      await page.getByRole('link', { name: 'Create an account' }).click()
      await page.getByLabel('Username').fill(`  ${name} `)
      await page.getByLabel('Password').fill(password)
      await page.getByLabel('Stay logged in').check()
      await page.getByRole('button', { name: 'Create account' }).click()
      await page.getByRole('heading', { name: `Hello, ${name}.` }).waitFor()
      const refresh = (await context.cookies()).find((cookie) => cookie.name === 'refresh_token_cookie')
      assert.ok(refresh.expires > 0, 'the login is remembered')
      await page.getByRole('button', { name: 'Log out', exact: true }).click()
      await page.getByText('You are logged out.').waitFor()
      assert.deepEqual(await names(context), [])
      await logIn(page, name)
      await page.getByRole('heading', { name: `Hello, ${name}.` }).waitFor()
    })
  })

  test(`what was typed is kept after an error, except for the password (${how} scripts)`, async () => {
    await visit({ javaScriptEnabled }, async (page) => {
      await page.goto(`${server.url}/?next=/account`)
      assert.equal(await focused(page), 'username')
      await page.getByLabel('Username').fill('<b>"ada&')
      await page.getByLabel('Password').fill('wrong')
      await page.getByLabel('Stay logged in').check()
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('alert').waitFor()
      assert.equal(await page.title(), 'Error: Log in – Example Login')
      assert.equal(await page.getByLabel('Username').inputValue(), '<b>"ada&')
      assert.equal(await page.getByLabel('Password').inputValue(), '')
      assert.ok(await page.getByLabel('Stay logged in').isChecked())
      assert.equal(await focused(page), 'password')
      for (const label of ['Username', 'Password']) {
        assert.equal(await page.getByLabel(label).getAttribute('aria-invalid'), 'true')
        assert.equal(await page.getByLabel(label).getAttribute('aria-describedby'), 'error')
      }
      await page.getByLabel('Username').fill('ada')
      await page.getByLabel('Password').fill(password)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.waitForURL(`${server.url}/account`)
    })
  })

  test(`a login returns to where it was asked for, and never to another site (${how} scripts)`, async () => {
    await visit({ javaScriptEnabled }, async (page) => {
      await logIn(page, 'ada', '/?next=/.well-known/jwks.json%3Fa%3Db')
      await page.waitForURL(`${server.url}/.well-known/jwks.json?a=b`)
    })
    for (const next of ['//evil.example', '/\\evil.example', '/%5Cevil.example', 'https://evil.example', '/%09/evil.example']) {
      await visit({ javaScriptEnabled }, async (page) => {
        await logIn(page, 'ada', `/?next=${encodeURIComponent(next)}`)
        await page.getByRole('heading', { name: 'Hello, ada.' }).waitFor()
        assert.equal(page.url(), `${server.url}/`, next)
      })
    }
    await visit({ javaScriptEnabled }, async (page) => {
      await register(page, `next-${how}`, '&next=/account')
      await page.waitForURL(`${server.url}/account`)
      await page.goto(`${server.url}/?next=/account`)
      await page.getByRole('link', { name: 'Continue to /account' }).click()
      await page.waitForURL(`${server.url}/account`)
    })
  })

  test(`a person ends sessions elsewhere (${how} scripts)`, async () => {
    const name = `hedy-${how}`
    const phone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
    const linux = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    await visit({ javaScriptEnabled, userAgent: linux }, async (page) => {
      await register(page, name)
      const row = (device) => page.getByRole('listitem').filter({ hasText: device })
      await row('Firefox on Linux').getByText('This device').waitFor()
      await row('Firefox on Linux').getByText('127.0.0.1 · Last used just now').waitFor()
      assert.equal(await row('Firefox on Linux').getByRole('button').count(), 0)
      await visit({ userAgent: phone }, async (other) => {
        await logIn(other, name)
        await other.getByText('Safari on iPhone').waitFor()
        await page.reload()
        await screenshot(page, `sessions-${how}-scripts`)
        await row('Safari on iPhone').getByRole('button', { name: 'Log out Safari on iPhone' }).click()
        await page.getByText('That device is logged out.').waitFor()
        assert.equal(await row('Safari on iPhone').count(), 0)
        await other.reload()
        await other.getByRole('heading', { name: 'Log in' }).waitFor()
        await logIn(other, name)
        await other.getByText('Safari on iPhone').waitFor()
        await page.reload()
        await page.getByRole('button', { name: 'Log out everywhere else' }).click()
        await page.getByText('All your other sessions have ended.').waitFor()
        assert.equal(await page.getByRole('listitem').count(), 1)
        await other.reload()
        await other.getByRole('heading', { name: 'Log in' }).waitFor()
      })
    })
  })

  test(`a person changes the password (${how} scripts)`, async () => {
    const name = `joan-${how}`
    const changed = 'several other words'
    await visit({ javaScriptEnabled }, async (page) => {
      await register(page, name)
      await page.getByRole('link', { name: 'Change password' }).click()
      assert.equal(await focused(page), 'current_password')
      await page.getByLabel('Current password').fill('wrong')
      await page.getByLabel('New password').fill(changed)
      await page.getByRole('button', { name: 'Change password' }).click()
      await page.getByRole('alert').getByText('The current password is wrong.').waitFor()
      assert.equal(await focused(page), 'current_password')
      await page.getByLabel('Current password').fill(password)
      await page.getByLabel('New password').fill('short')
      await page.getByRole('button', { name: 'Change password' }).click()
      await page.getByRole('alert').getByText('The password is too short.').waitFor()
      assert.equal(await focused(page), 'new_password')
      assert.equal(await page.getByLabel('New password').getAttribute('aria-describedby'), 'error new_password-hint')
      await page.getByLabel('Current password').fill(password)
      await page.getByLabel('New password').fill(changed)
      await page.getByRole('button', { name: 'Change password' }).click()
      await page.getByText('Your password was changed.').waitFor()
      assert.equal(page.url(), `${server.url}/?notice=password`)
      await page.getByRole('button', { name: 'Log out', exact: true }).click()
      await page.getByLabel('Username').fill(name)
      await page.getByLabel('Password').fill(changed)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('heading', { name: `Hello, ${name}.` }).waitFor()
    })
  })

  test(`the address of a form that failed can be opened again (${how} scripts)`, async () => {
    await visit({ javaScriptEnabled }, async (page) => {
      await page.goto(`${server.url}/page/register`)
      await page.getByRole('heading', { name: 'Create an account' }).waitFor()
      await page.goto(`${server.url}/login`)
      await page.getByRole('heading', { name: 'Log in' }).waitFor()
    })
  })
}

test('the keyboard reaches everything in the order in which it is read', async () => {
  await visit({}, async (page) => {
    await page.goto(server.url)
    const order = []
    for (let steps = 0; steps < 4; steps += 1) {
      order.push(await page.evaluate(() => document.activeElement.name || document.activeElement.textContent))
      await page.keyboard.press('Tab')
    }
    assert.deepEqual(order, ['username', 'password', 'remember', 'Log in'])
  })
})

test('a password manager finds what it looks for', async () => {
  await visit({}, async (page) => {
    const fields = () =>
      page.locator('input[autocomplete]').evaluateAll((all) => all.map((input) => `${input.name}: ${input.autocomplete}`))
    await page.goto(server.url)
    assert.deepEqual(await fields(), ['username: username', 'password: current-password'])
    await page.goto(`${server.url}/?show=register`)
    assert.deepEqual(await fields(), ['username: username', 'password: new-password'])
    await states.account(page)
    await page.goto(`${server.url}/?show=password`)
    assert.deepEqual(await fields(), ['username: username', 'current_password: current-password', 'new_password: new-password'])
    assert.equal(await page.locator('input[name=username]').inputValue(), 'ada')
  })
})

test('the style sheet of the operator replaces the built-in one, and the policy allows it', async () => {
  const mine = await serve({ REGISTRATION: 'closed' })
  try {
    const file = join(mine.folder, 'mine.css')
    await writeFile(file, 'h1 { color: rgb(1, 2, 3) }\r\nbody { margin: 7px }')
    await mine.restart({ SERVER_CSS: file, REGISTRATION: 'closed' })
    await visit({}, async (page) => {
      const colour = () => page.locator('h1').evaluate((found) => getComputedStyle(found).color)
      await page.goto(mine.url)
      assert.equal(await colour(), 'rgb(1, 2, 3)')
      assert.equal(await page.title(), 'Log in – tokenpair')
      await page.getByText('Ask the operator of this server for one.').waitFor()
      await writeFile(file, 'h1 { color: rgb(4, 5, 6) }')
      mine.child.kill('SIGHUP')
      for (let tries = 0; (await colour()) !== 'rgb(4, 5, 6)'; tries += 1) {
        assert.ok(tries < 50, mine.log())
        await page.waitForTimeout(100)
        await page.reload()
      }
    })
  } finally {
    await mine.stop()
  }
})
