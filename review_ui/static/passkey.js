// A form with data-passkey is sent with what the device signs, or not at all.
for (const form of document.querySelectorAll("[data-passkey]"))
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const asked = JSON.parse(form.dataset.passkey);
      const [does, kind] = asked.user ? ["create", "Creation"] : ["get", "Request"];
      const publicKey = PublicKeyCredential[`parse${kind}OptionsFromJSON`](asked);
      form.elements.credential.value = JSON.stringify(await navigator.credentials[does]({ publicKey }));
      form.submit();
    } catch {
      form.lastElementChild.hidden = false;
    }
  });
// A link's secret stands behind the # of the address, which is sent nowhere until the button is pressed.
const door = document.querySelector("[data-link]");
if (door && location.hash) {
  door.elements.link.value = location.hash;
  for (const part of document.querySelectorAll("[data-by-hand]")) part.hidden = true;
}
