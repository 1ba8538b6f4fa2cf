using KeyService.Cli.Output;

namespace KeyService.Cli.Ceremonies;

/// <summary>How printed matter looks: black on white, A4 and Letter alike.</summary>
internal static class PrintStyle
{
    /// <summary>For every sheet. Sizes are those of paper, so that a screen shows what comes out of the printer.</summary>
    public static Html Common { get; } = new("""
        * { box-sizing: border-box; }
        html { background: #fff; color: #000; }
        body { font: 10pt/1.4 "Helvetica Neue", Helvetica, Arial, "Liberation Sans", "DejaVu Sans", sans-serif; margin: 0; padding: 0 .6mm; } a { color: inherit; }
        h1 { font-size: 17pt; line-height: 1.2; margin: 0 0 3mm; } h2 { font-size: 12pt; margin: 6mm 0 2mm; break-after: avoid; } h3 { font-size: 10.5pt; margin: 4mm 0 1mm; break-after: avoid; }
        p { margin: 0 0 2mm; orphans: 3; widows: 3; } ul, ol { margin: 0 0 2mm; padding-left: 6mm; } li { margin-bottom: 1mm; }
        table { border-collapse: collapse; width: 100%; margin: 0 0 2mm; } th, td { text-align: left; vertical-align: top; padding: 1mm 2mm 1mm 0; border-bottom: .2mm solid #999; overflow-wrap: anywhere; }
        th { font-weight: 600; } thead th { border-bottom: .4mm solid #000; } thead { display: table-header-group; } tr { break-inside: avoid; }
        table.facts { border-top: .4mm solid #000; } table.facts th { width: 46mm; overflow-wrap: normal; }
        code, pre, .hex { font-family: "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace; font-size: .86em; }
        .hex span { display: inline-block; margin-right: .5em; } .hex span:last-child { margin-right: 0; }
        .quiet { color: #333; font-size: 9pt; } .write { display: inline-block; border-bottom: .3mm solid #000; min-width: 40mm; height: 5mm; }
        .deviation { border-left: 1.2mm solid #000; padding: 1mm 0 1mm 3mm; margin: 0 0 2mm; break-inside: avoid; }
        .stamp { border: .5mm solid #000; font-weight: 700; letter-spacing: .08em; padding: .3mm 1.5mm; white-space: nowrap; }
        .mark { position: fixed; inset: 0; z-index: -1; display: flex; align-items: center; justify-content: center; }
        .mark span { color: #ebebeb; font-size: 60pt; font-weight: 700; letter-spacing: .06em; white-space: nowrap; transform: rotate(-52deg); }
        @media screen { body { max-width: 190mm; margin: 8mm auto; padding: 0 6mm; } .mark span { font-size: 48pt; } }
        """);
}
