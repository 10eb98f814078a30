// Light, dark, or as the system says; remembered on this machine.

const KEY = "fetalhead.theme";
const NEXT: Record<string, string> = { system: "light", light: "dark", dark: "system" };

/** Has a button turn through the themes. */
export function offerThemes(button: HTMLElement): void {
  let theme = localStorage.getItem(KEY) ?? "system";
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Colours: ${theme === "system" ? "auto" : theme}`;
  };
  button.addEventListener("click", () => {
    theme = NEXT[theme] ?? "system";
    localStorage.setItem(KEY, theme);
    show();
  });
  show();
}
