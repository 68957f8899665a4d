// A form with data-passkey carries what the device signed for the options it names; without it, it is not sent.
for (const form of document.querySelectorAll('[data-passkey]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const publicKey = JSON.parse(form.dataset.passkey)
    try {
      const made = publicKey.user
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) })
      form.elements.credential.value = JSON.stringify(made)
      form.submit()
    } catch {
      form.lastElementChild.hidden = false
    }
  })
}
