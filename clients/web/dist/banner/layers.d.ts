/** The two layers as elements: the banner, and the settings purpose by purpose. They show; what is said is decided elsewhere. */
import type { Button, Notice } from '../core/index.js';
import { type Standings } from './saying.js';
type Pressed = (button: Button) => void;
/** The first layer. A region beside the page, not before it: nothing is trapped, and nothing moves. */
export declare function bannerLayer(notice: Notice, pressed: Pressed): HTMLElement;
/** The second layer, a modal dialog; `read` tells which purposes stand on at that moment. */
export declare function settingsLayer(notice: Notice, standings: Standings, pressed: Pressed): {
    dialog: HTMLDialogElement;
    read: () => Set<string>;
};
export {};
