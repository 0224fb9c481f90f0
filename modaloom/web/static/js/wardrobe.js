import { startChrome } from "./chrome.js"; startChrome();
