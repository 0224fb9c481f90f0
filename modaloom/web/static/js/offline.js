// The page for the time without network: tries again by itself when the network is back.
import { startChrome } from "./chrome.js";

startChrome();
addEventListener("online", () => location.reload());
