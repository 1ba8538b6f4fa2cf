using System.Collections;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.Output;
using KeyService.Crypto;
using KeyService.Crypto.Shares;
using QRCoder;

namespace KeyService.Cli.Ceremonies;

/// <summary>What a share's page says beside its words.</summary>
internal sealed record SharePageText(bool IsRehearsal, string Kind, string Ceremony, string Custodian, int Index, int Count, int Threshold, int Set, string BackupKey, string Bag);

/// <summary>
/// A share on a page of HTML: its words, numbered, and the same words as a QR code. Words and code are put together in memory that is locked and zeroed;
/// QRCoder alone keeps copies of the code in its working arrays, which only the collector takes away.
/// </summary>
internal sealed class SharePage : IDisposable
{
    // Some 3 kB around it, 2 kB of words, and 20 kB of a code of 65 modules a side.
    private const int Capacity = 60 << 10;
    private const int QuietModules = 4;
    private const int MaxText = 320;
    private const int MaxName = 120;

    private static readonly Html Style = new("""
        <style>
        .secret { border-left: 1.2mm solid #000; padding: .5mm 0 .5mm 3mm; margin: 3mm 0 4mm; }
        .words { display: grid; grid-auto-flow: column; grid-template-rows: repeat(11, auto); grid-auto-columns: 1fr; border-top: .4mm solid #000; border-bottom: .4mm solid #000; padding: 2mm 0; margin: 0 0 4mm; }
        .words div { font: 15pt/1.65 "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace; white-space: pre; padding-left: 3mm; } .words div:nth-child(n+12) { border-left: .2mm solid #999; } .words b { font-size: 9pt; font-weight: 400; }
        .below { display: grid; grid-template-columns: 1fr 58mm; gap: 8mm; } .below p { margin-bottom: 2.5mm; } svg { display: block; width: 58mm; height: 58mm; }
        </style>

        """);

    private readonly SecretBuffer buffer = new(Capacity);
    private int length;

    private SharePage()
    {
    }

    public ReadOnlySpan<byte> Content => buffer.DangerousSpan[..length];

    public static SharePage Of(SharePageText text, ReadOnlySpan<ushort> words)
    {
        var page = new SharePage();
        try
        {
            page.Write(text, words);
            return page;
        }
        catch
        {
            page.Dispose();
            throw;
        }
    }

    public void Dispose() => buffer.Dispose();

    private void Write(SharePageText text, ReadOnlySpan<ushort> words)
    {
        var frame = new PageFrame("Share of a backup key", text.IsRehearsal ? "REHEARSAL" : "", text.Kind, $"Ceremony {text.Ceremony}");
        Append(Html.Of($"""
            {frame.Begin}{Style}<h1>Share {text.Index} of {text.Count}, {text.Threshold} needed</h1>
            {IdentityTable.Table(
            [
                ("Custodian", Html.Of($"<strong>{IdentityTable.Shortened(text.Custodian, MaxName)}</strong>")), ("Bag", Html.Of($"<strong>{text.Bag}</strong>")), ("Backup key", IdentityTable.Value(text.BackupKey)),
                ("Set of shares", Html.Of($"{text.Set}")), ("Ceremony", Html.Of($"{text.Kind} {Html.Digits(text.Ceremony)}")),
            ])}<p class="secret"><strong>Secret.</strong> With {text.Threshold} of the {text.Count} shares every backup opens. Nobody but the custodian reads this page, and nobody copies or photographs it.</p>
            <div class="words">

            """));
        for (var at = 0; at < words.Length; at++)
        {
            Append(string.Create(CultureInfo.InvariantCulture, $"<div><b>{at + 1,2}</b> "));
            Append(ShareWordList.At(words[at]));
            Append("</div>\n");
        }
        Append(new Html("""
            </div>
            <div class="below"><div>
            <p>Read down the first column, then the second, then the third. The first four letters of a word are enough.</p>
            <p>Type the words in the ceremony from this page. Then fold it, words inside, and seal it in the bag whose number stands above.</p>
            <p class="quiet">The code holds the same words, in small letters, a space between each. Only a reader that is on no network and is wiped afterwards may see it: no telephone.</p>
            </div><svg xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges" viewBox="
            """));
        WriteCode(words);
        Append("</svg></div>"u8);
        Append(PageFrame.End);
    }

    private void WriteCode(ReadOnlySpan<ushort> words)
    {
        var text = GC.AllocateArray<byte>(MaxText, pinned: true);
        byte[]? exact = null;
        try
        {
            var letters = 0;
            foreach (var word in words)
            {
                letters += Encoding.ASCII.GetBytes(ShareWordList.At(word), text.AsSpan(letters));
                text[letters++] = (byte)' ';
            }
            exact = GC.AllocateUninitializedArray<byte>(letters - 1, pinned: true);
            text.AsSpan(0, letters - 1).CopyTo(exact);
            using var data = QRCodeGenerator.GenerateQrCode(exact, QRCodeGenerator.ECCLevel.M);
            try
            {
                WritePath(data.ModuleMatrix);
            }
            finally
            {
                data.ModuleMatrix.ForEach(row => row.SetAll(false));
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
            CryptographicOperations.ZeroMemory(exact);
        }
    }

    // One rectangle for each run of dark modules in a row. The matrix has a quiet zone of four modules around it already.
    private void WritePath(List<BitArray> modules)
    {
        Append($"0 0 {modules.Count} {modules.Count}\" role=\"img\"><path d=\"");
        for (var row = QuietModules; row < modules.Count - QuietModules; row++)
        {
            for (var from = QuietModules; from < modules.Count - QuietModules; from++)
            {
                var to = from;
                while (to < modules.Count - QuietModules && modules[row][to])
                {
                    to++;
                }
                if (to > from)
                {
                    AppendRun(row, from, to - from);
                    from = to;
                }
            }
        }
        Append("\"/>");
    }

    private void AppendRun(int row, int from, int width)
    {
        AppendNumber('M', from);
        AppendNumber(' ', row);
        AppendNumber('h', width);
        Append("v1H"u8);
        AppendNumber(default, from);
        Append("z"u8);
    }

    private void AppendNumber(char before, int number)
    {
        if (before != default)
        {
            buffer.DangerousSpan[length++] = (byte)before;
        }
        if (!number.TryFormat(buffer.DangerousSpan[length..], out var written, default, CultureInfo.InvariantCulture))
        {
            throw new InvalidOperationException("A share's page is longer than was thought.");
        }
        length += written;
    }

    private void Append(Html html) => Append(html.Markup);

    private void Append(string text) => length += Encoding.UTF8.GetBytes(text, buffer.DangerousSpan[length..]);

    private void Append(ReadOnlySpan<byte> text)
    {
        text.CopyTo(buffer.DangerousSpan[length..]);
        length += text.Length;
    }
}
