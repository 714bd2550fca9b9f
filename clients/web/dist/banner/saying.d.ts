/** What each button says, purpose by purpose (docs/WEB.md). Pure: no page, no network. */
import type { Notice, NoticePurpose, Said, Standing } from '../core/index.js';
export type Standings = Readonly<Record<string, Standing>>;
export type Choices = Record<string, Said>;
/** How a purpose is shown: a switch, a consent that is given elsewhere, an objection, or information alone. */
export type Kind = 'switch' | 'confirmed' | 'objectable' | 'information';
export declare function kindOf(purpose: NoticePurpose): Kind;
/** Whether the purpose's switch stands on before anybody touches it: never for a consent that was not given. */
export declare function isOn(purpose: NoticePurpose, standings: Standings): boolean;
/** Whether the visitor can move the switch: nothing is confirmed here, and an objection is lifted elsewhere. */
export declare function isMovable(purpose: NoticePurpose, standings: Standings): boolean;
export declare function acceptAll(notice: Notice): Choices;
export declare function refuseAll(notice: Notice): Choices;
/** Closing puts the answer off where there is none; it takes nothing back. */
export declare function closed(notice: Notice, standings: Standings): Choices;
/** What the switches say: every consent as it is set, and of what is not given here only what was taken back. */
export declare function saved(notice: Notice, standings: Standings, on: ReadonlySet<string>): Choices;
